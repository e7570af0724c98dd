/** @module Whether a schedule has anything new to train, and what has become worse since its sweep before. */
import { planDifferences } from '../planning/plan-differences.ts';
import type { PlanSettings } from '../planning/environment/env.ts';
import { loadFineTuneConfig, loadJointConfig } from '../planning/load-config.ts';
import { resolveSweepPlan } from '../planning/sweeps/resolve-sweep.ts';
import { fittingComparison, sweepReport } from '../planning/sweeps/sweep-report.ts';
import { followedRun } from '../planning/sweeps/sweep-space.ts';
import { followedRuns } from '../planning/sweeps/sweep-starts.ts';
import type { ScheduleActivities, ScheduledInput } from '../contracts/activities.ts';
import { keys, kindOfConfig } from '../contracts/ids.ts';
import { compareSweeps } from '../contracts/leaderboard.ts';
import { STAGES, type Plan } from '../contracts/plan.ts';
import type { ScheduleRecord } from '../contracts/schedule.ts';
import type { SweepPlan } from '../contracts/sweep.ts';
import type { SweepComparison, SweepReport } from '../contracts/sweep-results.ts';
import { withPlanningErrors } from './plans/planning-errors.ts';
import { finder } from './checkpoints/start-from.ts';
import { asPlan, resolveFineTune, resolveJoint, sound } from './plans/resolve-config.ts';
import type { Bucket } from './storage/bucket.ts';
import type { ObjectStore } from './storage/ports/object-store.ts';
import { planSchema, readObject } from './storage/schemas.ts';
import { decisive, readSweepPlan, readSweepState } from './plans/sweep-objects.ts';
import { addToRecord, readScheduleRecord } from './plans/schedule-record.ts';

export function createScheduleActivities(bucket: Bucket, settings: PlanSettings): ScheduleActivities {
  const { store } = bucket;
  return {
    findScheduledChanges: (input) =>
      withPlanningErrors(store, async (signal) => {
        const { follows, starts, isAsBefore } = await outlook(bucket, settings, input, signal);
        const { runs } = await readScheduleRecord(store, input.schedule, signal);
        const last = runs.at(-1);
        // What follows nothing is trained again each time: that is what such a schedule is for.
        if (follows.length === 0 || last === undefined || !(await isAsBefore(last.run))) return { follows };
        const nothing = `nothing new since ${last.run}, which began from ${starts.join(', ')}`;
        return { follows, nothing };
      }),

    async concludeScheduled({ schedule, run, config }) {
      const endedAt = new Date().toISOString();
      const record = await addToRecord(store, schedule, { run, config, endedAt });
      if (kindOfConfig(config) !== 'sweep') return {};
      const comparison = await compareWithBefore(store, run, record);
      if (comparison === undefined) return {};
      await store.writeText(keys.sweepComparison(run), JSON.stringify(comparison, undefined, 2));
      return { comparison: fittingComparison(comparison) };
    },
  };
}

/** What a config would train from now on. */
interface Outlook {
  /** Runs whose newest final weights it begins from. */
  readonly follows: readonly string[];
  /** These weights, for people. */
  readonly starts: readonly string[];
  /** Whether an earlier run has trained just that. */
  readonly isAsBefore: (earlier: string) => Promise<boolean>;
}

async function outlook(
  bucket: Bucket,
  settings: PlanSettings,
  { run, config }: ScheduledInput,
  signal: AbortSignal,
): Promise<Outlook> {
  const asked = { run, config };
  const kind = kindOfConfig(config);
  if (kind === 'sweep') {
    const findArtifact = finder(bucket, signal);
    const { plan, problems } = await resolveSweepPlan({ ...settings, ...asked, findArtifact });
    return sweepOutlook(bucket.store, sound(plan, problems), signal);
  }
  const { configDirectory } = settings;
  if (kind === 'fine-tune') {
    const plan = asPlan(await resolveFineTune(bucket, settings, asked, signal));
    const { weights } = (await loadFineTuneConfig(config, configDirectory)).config;
    return planOutlook(bucket.store, plan, [followedRun(weights)], signal);
  }
  const plan = await resolveJoint(bucket, settings, asked, signal);
  const { stages } = (await loadJointConfig(config, configDirectory)).config;
  return planOutlook(
    bucket.store,
    plan,
    STAGES.map((stage) => followedRun(stages[stage]?.weights)),
    signal,
  );
}

function sweepOutlook(store: ObjectStore, plan: SweepPlan, signal: AbortSignal): Outlook {
  return {
    follows: followedRuns(plan),
    starts: Object.values(plan.starts ?? {}).map(({ from }) => from),
    isAsBefore: async (earlier) => {
      const before = await readSweepPlan(store, earlier, signal).catch(() => undefined);
      return before !== undefined && decisive(before) === decisive(plan);
    },
  };
}

function planOutlook(
  store: ObjectStore,
  plan: Plan,
  followed: readonly (string | undefined)[],
  signal: AbortSignal,
): Outlook {
  return {
    follows: followed.filter((run) => run !== undefined),
    starts: plan.stages.flatMap(({ weights }) =>
      weights.kind === 'artifact' ? [weights.artifact.name] : [],
    ),
    isAsBefore: async (earlier) => {
      const before = await readObject(store, keys.plan(earlier), planSchema, signal);
      return before !== undefined && planDifferences(before.value, plan).length === 0;
    },
  };
}

/** Undefined where there is none before it, or one that was compared by another metric. */
async function compareWithBefore(
  store: ObjectStore,
  sweep: string,
  { runs }: ScheduleRecord,
): Promise<SweepComparison | undefined> {
  const place = runs.findIndex(({ run }) => run === sweep);
  const before = runs.slice(0, place).findLast(({ config }) => kindOfConfig(config) === 'sweep');
  if (before === undefined) return undefined;
  const [old, now] = [await reportOf(store, before.run), await reportOf(store, sweep)];
  if (old === undefined || now === undefined) return undefined;
  const sameMetric = old.metric.name === now.metric.name && old.metric.goal === now.metric.goal;
  return sameMetric ? compareSweeps(old, now, now.metric) : undefined;
}

async function reportOf(store: ObjectStore, sweep: string): Promise<SweepReport | undefined> {
  const forever = new AbortController().signal;
  const state = await readSweepState(store, sweep, forever);
  if (state === undefined) return undefined;
  return sweepReport(sweep, await readSweepPlan(store, sweep, forever), state);
}
