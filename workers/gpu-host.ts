/**
 * @module The GPU worker: one on each host, on the host's own queue. It runs no workflows, and its trainers outlive it.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from '@temporalio/client';
import { Worker } from '@temporalio/worker';
import type { Logger } from 'pino';
import { createHostActivities } from '../activities/hosts/host-activities.ts';
import { isRunning } from '../activities/stages/running.ts';
import { guardTrainers } from '../activities/training/guard.ts';
import { handBackOrphans } from '../activities/training/hand-back.ts';
import { Supervisors } from '../activities/training/supervisors.ts';
import { readHostSettings, type HostSettings } from '../configs/env.ts';
import { createS3Client } from '../configs/s3.ts';
import { CONTROL_TASK_QUEUE, hostTaskQueue, poolWorkflowId } from '../contracts/ids.ts';
import type { Host } from '../contracts/pool.ts';
import { joinSignal } from '../workflows/messages.ts';
import { openCheckedBucket } from './check-storage.ts';
import { connectWorker } from './connect.ts';
import { countGpus } from './gpu-count.ts';
import { installLogging } from './logging.ts';

const JOIN_RETRY_MS = 1000;

/** When a GPU worker leaves. */
export interface Leaving {
  /** Why it wants to leave, when that is said: it waits until nothing is trained on its host. */
  readonly drain: AbortSignal;
  /** It leaves at once; trainers that run then go on, and the next worker on this host adopts them. */
  readonly stop: AbortController;
}

export async function runGpuWorker({ drain, stop }: Leaving): Promise<void> {
  const { signal } = stop;
  const settings = readHostSettings();
  const { labels, scratch } = settings;
  const host: Host = {
    ...{ name: settings.host, address: settings.address },
    ...(await countGpus(settings)),
    ...(Object.keys(labels).length > 0 && { labels }),
  };
  const log = installLogging(host.name);
  const bucket = await openCheckedBucket(createS3Client(), settings, log, signal);
  const { connection, namespace } = await connectWorker(log, signal);
  const client = new Client({ connection, namespace });
  const supervisors = new Supervisors();
  const join = () => joinPool(client, settings, asItIs(host, drain), log, signal);
  const letGo = () => {
    log.info('the pool lets this host go');
    stop.abort();
  };
  const worker = await Worker.create({
    connection,
    namespace,
    taskQueue: hostTaskQueue(host.name),
    activities: createHostActivities({ ...bucket, settings, supervisors, join, letGo, leaving: drain }),
    // When this machine dies unheard, the server hands work to each of its open polls before it knows, and waits a
    // heartbeat time-out for each.
    activityTaskPollerBehavior: { type: 'simple-maximum', maximum: 1 },
    // A cancellation comes with a heartbeat's answer: at most this much later.
    maxHeartbeatThrottleInterval: '1s',
    shutdownGraceTime: '0s',
    shutdownForceTime: '15s',
  });
  await giveBack(client, scratch, log);
  const guard = guardTrainers(
    { scratch, store: bucket.store, supervisors, isRunning: (id) => isRunning(client, id), log },
    signal,
  );
  log.info({ host, taskQueue: hostTaskQueue(host.name), namespace, scratch }, 'GPU worker is ready');
  const draining = drainWhenTold({ drain, stop }, settings, join, log);
  await worker.runUntil(Promise.all([join(), guard, draining]));
  await connection.close();
}

/** A join says as well that the worker is about to leave, and one of a new worker that it is not. */
function asItIs(host: Host, drain: AbortSignal): Host {
  return drain.aborted ? { ...host, leaving: String(drain.reason) } : host;
}

/** Tells the pool, which asks the host's gangs to yield and lets the host go when it is free; waits for that no longer than the settings say. */
async function drainWhenTold(
  { drain, stop }: Leaving,
  { drainMs }: HostSettings,
  join: () => Promise<void>,
  log: Logger,
): Promise<void> {
  const said = AbortSignal.any([drain, stop.signal]);
  if (!said.aborted) await new Promise((resolve) => said.addEventListener('abort', resolve, { once: true }));
  if (stop.signal.aborted) return;
  log.info({ why: String(drain.reason), drainMs }, 'leaving when nothing is trained here');
  const late = delay(drainMs, undefined, { signal: stop.signal }).then(
    () => {
      log.warn('nobody let this host go in time: its trainers are left to the next worker');
      stop.abort();
    },
    () => undefined,
  );
  await Promise.all([join(), late]);
}

/** Nothing is lost where this fails: the activities come again after their heartbeat time-out. */
async function giveBack(client: Client, scratch: string, log: Logger): Promise<void> {
  try {
    const jobs = await handBackOrphans(client, scratch);
    if (jobs.length > 0) log.info({ jobs }, 'gave back what the worker before was watching');
  } catch (error) {
    log.warn({ error: String(error) }, 'could not give back what the worker before was watching');
  }
}

/** The pool may not be there yet, or Temporal may be away: tried until it is said. */
async function joinPool(
  client: Client,
  { pool }: HostSettings,
  host: Host,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      await client.workflow.signalWithStart('gpuPool', {
        workflowId: poolWorkflowId(pool),
        taskQueue: CONTROL_TASK_QUEUE,
        args: [],
        signal: joinSignal,
        signalArgs: [host],
      });
      log.info({ pool }, 'joined the pool');
      return;
    } catch (error) {
      log.warn({ pool, error: String(error) }, 'could not join the pool, trying on');
      await delay(JOIN_RETRY_MS, undefined, { signal }).catch(() => undefined);
    }
  }
}
