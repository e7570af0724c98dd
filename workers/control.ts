/**
 * @module The control worker: runs all workflows, and the activities that need no GPU host.
 */
import { resolve } from 'node:path';
import { Worker } from '@temporalio/worker';
import { createPlanActivities } from '../activities/plan-activities.ts';
import { finder } from '../activities/checkpoints/start-from.ts';
import { createSources } from '../activities/weights/sources/open-source.ts';
import { nameUnreadable } from '../activities/storage/name-unreadable.ts';
import { createWeightsActivities } from '../activities/weights-activities.ts';
import { createControlActivities } from '../activities/control-activities.ts';
import { createPoolActivities } from '../activities/pool-activities.ts';
import { createScheduleActivities } from '../activities/schedule-activities.ts';
import { createSweepActivities } from '../activities/sweep-activities.ts';
import { createStageActivities } from '../activities/stage-activities.ts';
import { readPlanSettings } from '../planning/environment/env.ts';
import { readDownloadSettings } from '../planning/environment/download-settings.ts';
import { createS3Client } from '../planning/environment/s3-client.ts';
import { CONTROL_TASK_QUEUE } from '../contracts/ids.ts';
import { bundlePath } from './bundle.ts';
import { openCheckedBucket } from './check-storage.ts';
import { connectWorker } from './connect.ts';
import { installLogging } from './logging.ts';

/** Runs until the signal says to stop. Any number of control workers may run. */
export async function runControlWorker(signal: AbortSignal): Promise<void> {
  const settings = readPlanSettings();
  const log = installLogging('control');
  const client = createS3Client();
  const bucket = await openCheckedBucket(client, settings, log, signal);
  const { connection, namespace } = await connectWorker(log, signal);
  const { fileRoots, ...downloads } = readDownloadSettings();
  const sources = createSources(client, {
    ...downloads,
    fileRoots: [settings.checkout, settings.configDirectory, ...fileRoots].map((folder) => resolve(folder)),
  });
  const weights = createWeightsActivities({ ...bucket, client, sources });
  const worker = await Worker.create({
    connection,
    namespace,
    taskQueue: CONTROL_TASK_QUEUE,
    workflowBundle: { codePath: bundlePath },
    activities: {
      ...createPlanActivities(bucket, settings),
      ...createStageActivities(bucket.store),
      ...createControlActivities(bucket),
      ...createSweepActivities(bucket.store, settings.configDirectory, (signal) => ({
        checkout: settings.checkout,
        python: settings.python,
        findArtifact: finder(bucket, signal),
      })),
      ...createScheduleActivities(bucket, settings),
      ...createPoolActivities(settings.configDirectory),
      ...weights,
    },
    interceptors: {
      activity: [
        ({ info }) => ({
          inbound: { execute: (input, next) => nameUnreadable(info.attempt, () => next(input)) },
        }),
      ],
    },
    // Sweeps wait for trials: what these need in order to end must not queue behind.
    maxConcurrentActivityTaskExecutions: 2000,
    // What people see of a download is as old as this at most, and so is what it hears of its cancellation.
    maxHeartbeatThrottleInterval: '1s',
    shutdownGraceTime: '10s',
    shutdownForceTime: '15s',
  });
  log.info({ taskQueue: CONTROL_TASK_QUEUE, namespace }, 'control worker is ready');
  await worker.runUntil(
    new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true })),
  );
  await connection.close();
}
