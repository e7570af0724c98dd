/** @module Where the bench's sweeps run: the embedded servers, and one worker with the sweep's own activities. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { S3Client } from '@aws-sdk/client-s3';
import { Client, Connection, type WorkflowHandleWithFirstExecutionRunId } from '@temporalio/client';
import { bundleWorkflowCode, DefaultLogger, NativeConnection, Worker } from '@temporalio/worker';
import { execa } from 'execa';
import { openBucket } from '../activities/storage/bucket.ts';
import { createSweepActivities } from '../activities/sweep-activities.ts';
import { packageRoot } from '../planning/environment/package-root.ts';
import { CONTROL_TASK_QUEUE } from '../contracts/ids.ts';
import type { SweepInput } from '../contracts/sweep.ts';
import type { SweepResult } from '../contracts/sweep-results.ts';
import { obtainServer } from '../sandbox/obtain.ts';
import { startS3, startTemporal, type S3Server } from '../sandbox/servers.ts';
import type { EmptyTrialActivities } from './sweep-workflows.ts';

type Sweep = (input: SweepInput) => Promise<SweepResult>;

export interface SweepLab {
  readonly client: Client;
  readonly address: string;
  start(id: string, config: string): Promise<WorkflowHandleWithFirstExecutionRunId<Sweep>>;
  /** Of all executions of workflows since the lab began, the longest history first. */
  histories(): Promise<readonly { readonly workflow: string; readonly events: number }[]>;
  stop(): Promise<void>;
}

export interface SweepLabOptions {
  /** Of Temporal's server. @default as it is obtained */
  readonly executable?: string;
  /** @default below bench/ */
  readonly configDirectory?: string;
  /** What a trial does. @default starts a Python, which does nothing */
  readonly trial?: EmptyTrialActivities['doNothing'];
}

export async function startSweepLab(options: SweepLabOptions = {}): Promise<SweepLab> {
  const directory = await mkdtemp(join(tmpdir(), 'glee-bench-sweep-'));
  const executable = options.executable ?? (await obtainServer('temporal'));
  const temporal = await startTemporal({ directory, executable });
  const s3 = await startS3({ directory, executable: await obtainServer('versitygw'), bucket: 'glee' });
  const connection = await Connection.connect({ address: temporal.address });
  const native = await NativeConnection.connect({ address: temporal.address });
  const { code } = await bundleWorkflowCode({
    workflowsPath: fileURLToPath(new URL('sweep-workflows.js', import.meta.url)),
    logger: new DefaultLogger('WARN'),
  });
  const s3Client = clientOf(s3);
  const { store } = openBucket(s3Client, s3.bucket, '');
  const configs = options.configDirectory ?? join(packageRoot, 'bench/configs');
  const activities: EmptyTrialActivities = { doNothing: options.trial ?? (await pythonStarter()) };
  const common = { connection: native, shutdownForceTime: '5s' } as const;
  const workers = await Promise.all([
    Worker.create({
      ...{ ...common, taskQueue: CONTROL_TASK_QUEUE, workflowBundle: { code } },
      activities: createSweepActivities(store, configs),
    }),
    Worker.create({ ...common, taskQueue: 'bench-host', activities }),
  ]);
  const running = Promise.all(workers.map((worker) => worker.run()));
  const client = new Client({ connection });
  return {
    client,
    address: temporal.address,

    start: (workflowId, config) =>
      client.workflow.start<Sweep>('fineTuneSweep', {
        ...{ workflowId, taskQueue: CONTROL_TASK_QUEUE, args: [{ config }] },
      }),

    async histories() {
      const found: { workflow: string; events: number }[] = [];
      for await (const { workflowId, historyLength } of client.workflow.list())
        found.push({ workflow: workflowId, events: historyLength });
      return found.toSorted((a, b) => b.events - a.events);
    },

    async stop() {
      for (const worker of workers) worker.shutdown();
      await running.catch(() => undefined);
      await Promise.allSettled([connection.close(), native.close()]);
      s3Client.destroy();
      await Promise.all([temporal.process.stop(), s3.process.stop()]);
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** What starts a Python, as a trainer's start does: the interpreter itself, since shims of version managers cost more. */
export async function pythonStarter(): Promise<() => Promise<void>> {
  const { stdout: python } = await execa('python3', ['-c', 'import sys; print(sys.executable)']);
  return async () => {
    await execa(python, ['-c', 'pass']);
  };
}

function clientOf({ endpoint, region, accessKeyId, secretAccessKey }: S3Server): S3Client {
  const credentials = { accessKeyId, secretAccessKey };
  return new S3Client({ endpoint, region, credentials, forcePathStyle: true });
}
