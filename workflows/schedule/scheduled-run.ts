/**
 * One execution of a schedule: looks whether there is anything new, then runs the config under an id of its own, and has
 * a sweep compared with the one before. It is what Temporal's Schedules start, so that overlap policies see it end.
 */
import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import {
  executeChild,
  log,
  ParentClosePolicy,
  proxyActivities,
  setCurrentDetails,
  workflowInfo,
} from '@temporalio/workflow';
import type { ScheduleActivities } from '../../contracts/activities.ts';
import { kindOfConfig, scheduledRunId } from '../../contracts/ids.ts';
import { markdownText } from '../../contracts/markdown.ts';
import type { ScheduledRunInput, ScheduledRunResult } from '../../contracts/schedule.ts';
import type { SweepComparison } from '../../contracts/sweep-results.ts';
import { bookkeeping, planning, planningNow } from '../base/activity-profiles.ts';
import { fineTuneSweep } from '../sweep/fine-tune-sweep.ts';
import { fineTune } from '../run/fine-tune.ts';
import { jointTraining } from '../run/joint-training.ts';
import { checkRunInput, typedInput } from '../run/run-input.ts';

/** Temporal sets both on what a schedule starts. */
const SCHEDULE = defineSearchAttributeKey('TemporalScheduledById', SearchAttributeType.KEYWORD);
const TIME = defineSearchAttributeKey('TemporalScheduledStartTime', SearchAttributeType.DATETIME);

const { concludeScheduled } = proxyActivities<ScheduleActivities>(bookkeeping);

export async function scheduledRun(given?: ScheduledRunInput): Promise<ScheduledRunResult> {
  const { workflowId, startTime, typedSearchAttributes } = workflowInfo();
  const onlyPlan = given?.onlyPlan === true;
  // One that a person started by hand stands for a schedule of its own id.
  const schedule = typedSearchAttributes.get(SCHEDULE) ?? workflowId.split('/')[1] ?? workflowId;
  const run = scheduledRunId(schedule, typedSearchAttributes.get(TIME) ?? startTime);
  const config = checkRunInput(run, typedInput(given), undefined);

  // A person who makes a schedule waits for the answer; an execution at night waits for S3.
  const { findScheduledChanges } = proxyActivities<ScheduleActivities>(onlyPlan ? planningNow : planning);
  const { follows, nothing } = await findScheduledChanges({ schedule, run, config });
  if (onlyPlan) return { did: 'planned', follows };
  if (nothing !== undefined) {
    setCurrentDetails(`nothing to do: ${markdownText(nothing)}`);
    return { did: 'nothing', why: nothing, run };
  }
  setCurrentDetails(`runs **${markdownText(config)}** as ${markdownText(run)}`);
  await runAsChild(run, config);
  const { comparison } = await concludeScheduled({ schedule, run, config });
  warn(comparison);
  return { did: 'run', run, ...(comparison && { comparison }) };
}

async function runAsChild(run: string, config: string): Promise<void> {
  const options = {
    workflowId: run,
    // Ended whole by whoever ends this: its trainers save.
    parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
    staticSummary: config,
  };
  switch (kindOfConfig(config)) {
    case 'sweep':
      await executeChild(fineTuneSweep, { ...options, args: [{ config }] });
      break;
    case 'fine-tune':
      await executeChild(fineTune, { ...options, args: [{ config }] });
      break;
    case 'joint training':
      await executeChild(jointTraining, { ...options, args: [{ config }] });
      break;
  }
}

function warn(comparison: SweepComparison | undefined): void {
  if (comparison === undefined || comparison.regressions.length === 0) return;
  const { before, after, regressions } = comparison;
  log.warn('a metric fell by more than its noise', { before, after, regressions });
}
