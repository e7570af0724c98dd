/**
 * @module Where the time goes between a trainer's SIGKILL and its successor's first iteration: from the files on the
 * host, which bear the times of their last change, and from Temporal's history.
 */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client } from '@temporalio/client';
import { readExit, readTrainer, type Job } from '../activities/training/jobs/job.ts';
import type { Killed } from './kill.ts';

export interface HostJobs {
  readonly host: string;
  /** The attempt that was killed. */
  readonly killed: Job;
  /** The attempt that continues. */
  readonly newest: Job;
}

export interface Step {
  readonly what: string;
  /** Milliseconds since the SIGKILL. */
  readonly at: number;
}

export async function readTimeline(
  client: Client,
  workflowId: string,
  hosts: readonly HostJobs[],
  { killedAt, readyAt, firstIterationAt }: Killed,
): Promise<Step[]> {
  const steps = [
    ...(await Promise.all(hosts.map(readHostSteps))).flat(),
    ...(await readHistorySteps(client, workflowId)),
    { what: 'rank 0 ready to train', at: readyAt },
    { what: 'first new iteration', at: firstIterationAt },
  ];
  return steps
    .map(({ what, at }) => ({ what, at: Math.round(at - killedAt) }))
    .filter(({ at }) => at >= 0)
    .toSorted((a, b) => a.at - b.at);
}

/** A line a step: when it was, and how long after the one before. */
export function showTimeline(steps: readonly Step[]): string {
  return steps
    .map(({ what, at }, index) => {
      const before = steps[index - 1]?.at ?? 0;
      return `    ${String(at).padStart(6)} ms  +${String(at - before).padStart(4)}  ${what}`;
    })
    .join('\n');
}

async function readHostSteps({ host, killed, newest }: HostJobs): Promise<Step[]> {
  const changed = async (what: string, path: string) =>
    stat(path).then(
      ({ mtimeMs }) => [{ what: `${host}: ${what}`, at: mtimeMs }],
      () => [],
    );
  const exit = await readExit(killed);
  const trainer = await readTrainer(newest);
  return [
    ...(exit === undefined ? [] : [{ what: `${host}: trainer has ended`, at: exit.at }]),
    ...(await changed('exit status on disk', join(killed.folder, 'exit.json'))),
    ...(await changed('failure recorded (outcome.json)', join(killed.folder, 'outcome.json'))),
    ...(await changed('trainRank begun (job.json)', join(newest.folder, 'job.json'))),
    ...(await changed('checkpoint restored (last_checkpoint)', join(newest.output, 'last_checkpoint'))),
    ...(await changed('config written', newest.config)),
    ...(await changed('shim about to be spawned (launched)', join(newest.folder, 'launched'))),
    ...(trainer === undefined ? [] : [{ what: `${host}: trainer spawned`, at: trainer.startedAt }]),
    ...(await changed('rank 0 has joined and read its config', join(newest.output, 'config.yaml'))),
  ];
}

async function readHistorySteps(client: Client, workflowId: string): Promise<Step[]> {
  const handle = client.workflow.getHandle(workflowId);
  const { events } = await handle.fetchHistory();
  const fromHistory = (events ?? []).flatMap((event): Step[] => {
    const activity = event.activityTaskScheduledEventAttributes?.activityType?.name;
    const what = activity === undefined || activity === null ? eventName(event) : `${activity} scheduled`;
    return what === undefined ? [] : [{ what: `Temporal: ${what}`, at: milliseconds(event.eventTime) }];
  });
  const { raw } = await handle.describe();
  const pending = (raw.pendingActivities ?? []).map(({ activityType, lastStartedTime }) => ({
    what: `Temporal: ${activityType?.name ?? 'activity'} given to the worker`,
    at: milliseconds(lastStartedTime),
  }));
  return [...fromHistory, ...pending];
}

interface EventLike {
  readonly workflowTaskScheduledEventAttributes?: unknown;
  readonly workflowTaskStartedEventAttributes?: unknown;
  readonly workflowTaskCompletedEventAttributes?: unknown;
  readonly activityTaskStartedEventAttributes?: unknown;
  readonly activityTaskCompletedEventAttributes?: unknown;
  readonly activityTaskFailedEventAttributes?: unknown;
}

function eventName(event: EventLike): string | undefined {
  if (event.activityTaskFailedEventAttributes) return 'activity failed';
  if (event.activityTaskStartedEventAttributes) return 'activity given to the worker';
  if (event.activityTaskCompletedEventAttributes) return 'activity completed';
  if (event.workflowTaskScheduledEventAttributes) return 'workflow task scheduled';
  if (event.workflowTaskStartedEventAttributes) return 'workflow task given to the worker';
  if (event.workflowTaskCompletedEventAttributes) return 'workflow has decided';
  return undefined;
}

interface Timestamp {
  readonly seconds?: { toNumber(): number } | null;
  readonly nanos?: number | null;
}

function milliseconds(time: Timestamp | null | undefined): number {
  return (time?.seconds?.toNumber() ?? 0) * 1000 + (time?.nanos ?? 0) / 1e6;
}
