/**
 * @module The GPU worker: one on each host, on the host's own queue. It runs no workflows, and its trainers outlive it.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from '@temporalio/client';
import { Worker, type NativeConnection } from '@temporalio/worker';
import type { Logger } from 'pino';
import { createHostActivities, type HostDependencies } from '../activities/host-activities.ts';
import { livingJobs } from '../activities/training/living-jobs.ts';
import { machineIdentity } from '../activities/training/jobs/machine-identity.ts';
import { isRunning } from '../activities/support/is-running.ts';
import { guardTrainers } from '../activities/training/guard.ts';
import { failOrphanedActivities } from '../activities/training/hand-back.ts';
import type { Origin } from '../activities/training/jobs/job.ts';
import { Supervisors } from '../activities/training/supervisors.ts';
import { readHostSettings, type HostSettings } from '../planning/environment/env.ts';
import { EnvironmentError } from '../planning/environment/environment-error.ts';
import { createS3Client } from '../planning/environment/s3-client.ts';
import { passedNames } from '../planning/environment/trainer-environment.ts';
import { hostTaskQueue } from '../contracts/ids.ts';
import { parse } from '../contracts/parsing.ts';
import { readHost } from '../contracts/pool-messages.ts';
import type { Host } from '../contracts/pool.ts';
import { openCheckedBucket } from './check-storage.ts';
import { connectWorker } from './connect.ts';
import { countGpus } from './gpu-count.ts';
import { installLogging } from './logging.ts';
import { Membership } from './membership.ts';
import { originOf } from './origin.ts';
import { claimScratch, prepareScratch } from './scratch-folder.ts';

/** When a GPU worker leaves. */
export interface Leaving {
  /** Why it wants to leave, when that is said: it waits until nothing is trained on its host. */
  readonly drain: AbortSignal;
  /** It leaves at once; trainers that run then continue, and the next worker on this host adopts them. */
  readonly stop: AbortController;
}

export async function runGpuWorker(leaving: Leaving): Promise<void> {
  try {
    await serveHost(leaving);
  } finally {
    // Whatever it failed with: what it has begun, as to keep its scratch folder claimed, must not keep the process.
    leaving.stop.abort();
  }
}

async function serveHost(leaving: Leaving): Promise<void> {
  const { drain, stop } = leaving;
  const { signal } = stop;
  const { settings, host } = await describeHost();
  const log = installLogging(host.name);
  await keepScratchClaimed(settings, log, stop);
  const bucket = await openCheckedBucket(createS3Client(), settings, log, signal);
  const { connection, namespace } = await connectWorker(log, signal);
  const client = new Client({ connection, namespace });
  const { scratch } = settings;
  const origin = await originOf(connection, namespace, bucket.store, log, signal);
  const supervisors = new Supervisors();
  const refusal: { why?: string } = {};
  const membership = new Membership({
    ...{ client, pool: settings.pool, scratch, log, signal },
    host: () => asItIs(host, drain),
    jobs: () => livingJobs(scratch, supervisors),
    onRefused: (why) => {
      refusal.why = why;
      stop.abort();
    },
  });
  await giveBack(client, scratch, origin, log);
  const guard = guardTrainers(
    { scratch, store: bucket.store, supervisors, isRunning: (id) => isRunning(client, id), origin, log },
    signal,
  );
  try {
    if (!(await membership.beginServing())) return;
    const join = () => membership.join();
    const leave = (why: string) => {
      log.info(why);
      stop.abort();
    };
    const { place, workerSince } = host;
    const dependencies = { ...bucket, settings, supervisors, origin, join, leave, place, workerSince };
    const worker = await createWorker(connection, namespace, dependencies);
    log.info({ host, namespace, scratch }, 'GPU worker is ready');
    await worker.runUntil(Promise.all([guard, drainWhenTold(leaving, settings, join, log)]));
  } finally {
    stop.abort();
    await guard;
    await connection.close();
  }
  if (refusal.why !== undefined) throw new EnvironmentError(refusal.why);
}

/** This host as the pool is to know it. Its scratch folder is there afterwards. */
async function describeHost() {
  const read = readHostSettings();
  passedNames();
  const settings = { ...read, scratch: await prepareScratch(read.scratch) };
  const { labels, scratch } = settings;
  const { place } = await machineIdentity(scratch);
  const host = {
    ...{ name: settings.host, address: settings.address, place, workerSince: Date.now() },
    ...(await countGpus(settings)),
    ...(Object.keys(labels).length > 0 && { labels }),
  };
  checkHost(host);
  return { settings, host };
}

/** The worker leaves at once when another machine has taken the folder. */
async function keepScratchClaimed(
  { scratch, host }: HostSettings,
  log: Logger,
  stop: AbortController,
): Promise<void> {
  const { kept } = await claimScratch({ scratch, host, log, signal: stop.signal });
  void kept.catch((error: unknown) => {
    log.error({ error: String(error) }, 'leaving at once');
    process.exitCode = 2;
    stop.abort();
  });
}

function createWorker(
  connection: NativeConnection,
  namespace: string,
  dependencies: HostDependencies,
): Promise<Worker> {
  return Worker.create({
    connection,
    namespace,
    taskQueue: hostTaskQueue(dependencies.settings.host),
    activities: createHostActivities(dependencies),
    // When this machine dies unheard, the server hands work to each of its open polls before it knows, and waits a
    // heartbeat time-out for each.
    activityTaskPollerBehavior: { type: 'simple-maximum', maximum: 1 },
    // A cancellation comes with a heartbeat's answer: at most this much later.
    maxHeartbeatThrottleInterval: '1s',
    shutdownGraceTime: '0s',
    shutdownForceTime: '15s',
  });
}

/** What the pool would not read would never be accepted. */
function checkHost(host: Host): void {
  const parsed = parse(readHost, host, 'host');
  if (!parsed.ok)
    throw new EnvironmentError(
      `this host cannot join a pool: ${parsed.problem} (GLEE_HOST, GLEE_ADDRESS, GLEE_GPUS, GLEE_LABELS)`,
    );
}

/** A join says as well that the worker is about to leave, and one of a new worker that it is not. */
function asItIs<T extends Host>(host: T, drain: AbortSignal): T & Host {
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
      log.warn('no one let this host go in time: its trainers are left to the next worker');
      stop.abort();
    },
    () => undefined,
  );
  await Promise.all([join(), late]);
}

/** Nothing is lost where this fails: the activities come again after their heartbeat time-out. */
async function giveBack(client: Client, scratch: string, origin: Origin, log: Logger): Promise<void> {
  try {
    const jobs = await failOrphanedActivities(client, scratch, origin);
    if (jobs.length > 0) log.info({ jobs }, 'gave back what the worker before was watching');
  } catch (error) {
    log.warn({ error: String(error) }, 'could not give back what the worker before was watching');
  }
}
