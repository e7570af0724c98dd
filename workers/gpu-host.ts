/**
 * @module The GPU worker: one on each host, on the host's own queue. It runs no workflows, and its trainers outlive it.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from '@temporalio/client';
import { Worker } from '@temporalio/worker';
import { execa } from 'execa';
import type { Logger } from 'pino';
import { createHostActivities } from '../activities/hosts/host-activities.ts';
import { isRunning } from '../activities/stages/running.ts';
import { openBucket } from '../activities/storage/bucket.ts';
import { guardTrainers } from '../activities/training/guard.ts';
import { handBackOrphans } from '../activities/training/hand-back.ts';
import { Supervisors } from '../activities/training/supervisors.ts';
import { readHostSettings, type HostSettings } from '../configs/env.ts';
import { EnvironmentError } from '../configs/environment-error.ts';
import { createS3Client } from '../configs/s3.ts';
import { CONTROL_TASK_QUEUE, hostTaskQueue, poolWorkflowId } from '../contracts/ids.ts';
import type { Host } from '../contracts/pool.ts';
import { joinSignal } from '../workflows/messages.ts';
import { connectWorker } from './connect.ts';
import { installLogging } from './logging.ts';

const JOIN_RETRY_MS = 1000;

/** Runs until the signal says to stop; trainers that run then go on, and the next worker on this host adopts them. */
export async function runGpuWorker(signal: AbortSignal): Promise<void> {
  const settings = readHostSettings();
  const host: Host = {
    name: settings.host,
    address: settings.address,
    gpus: settings.gpus ?? (await countGpus()),
  };
  const log = installLogging(host.name);
  const { connection, namespace } = await connectWorker(log, signal);
  const client = new Client({ connection, namespace });
  const bucket = openBucket(createS3Client(), settings.bucket, settings.prefix);
  const supervisors = new Supervisors();
  const join = () => joinPool(client, settings, host, log, signal);
  const worker = await Worker.create({
    connection,
    namespace,
    taskQueue: hostTaskQueue(host.name),
    activities: createHostActivities({ ...bucket, settings, supervisors, join }),
    // A cancellation comes with a heartbeat's answer: at most this much later.
    maxHeartbeatThrottleInterval: '1s',
    shutdownGraceTime: '0s',
    shutdownForceTime: '15s',
  });
  const { scratch } = settings;
  await giveBack(client, scratch, log);
  const guard = guardTrainers(
    { scratch, store: bucket.store, supervisors, isRunning: (id) => isRunning(client, id), log },
    signal,
  );
  log.info({ host, taskQueue: hostTaskQueue(host.name), namespace, scratch }, 'GPU worker is ready');
  await worker.runUntil(Promise.all([join(), guard]));
  await connection.close();
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

async function countGpus(): Promise<number> {
  try {
    const { stdout } = await execa('nvidia-smi', ['--list-gpus']);
    return stdout.split('\n').filter((line) => line.startsWith('GPU ')).length;
  } catch {
    throw new EnvironmentError(
      'GLEE_GPUS is not set and nvidia-smi did not count them: say how many GPUs this host has',
    );
  }
}
