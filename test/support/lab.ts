/**
 * @module A laboratory for workflows: a real Temporal server, the real bundle, the real way to the pool, and hosts
 * whose trainers are a few lines of a test. One for each test file; its tests run side by side in scenes of their own.
 */
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { activityInfo, Context } from '@temporalio/activity';
import { Client, Connection } from '@temporalio/client';
import {
  DefaultLogger,
  makeTelemetryFilterString,
  NativeConnection,
  Runtime,
  Worker,
} from '@temporalio/worker';
import { forwardControl } from '../../activities/control-activities.ts';
import { createPoolActivities } from '../../activities/pool-activities.ts';
import { createStageActivities } from '../../activities/stage-activities.ts';
import type { ObjectStore } from '../../activities/storage/ports/object-store.ts';
import type {
  ControlActivities,
  HostActivities,
  PlanActivities,
  PoolActivities,
  StageActivities,
} from '../../contracts/activities.ts';
import { CONTROL_TASK_QUEUE, hostTaskQueue } from '../../contracts/ids.ts';
import { obtainServer } from '../../sandbox/obtain.ts';
import { startTemporal } from '../../sandbox/servers.ts';
import { bundlePath } from '../../workers/bundle.ts';
import type { Scene } from './scene.ts';

// Failures of activities are what many of the tests are about, and no news.
Runtime.install({
  logger: new DefaultLogger('ERROR'),
  telemetryOptions: { logging: { filter: makeTelemetryFilterString({ core: 'ERROR', other: 'ERROR' }) } },
  shutdownSignals: [],
});

/** Hosts that have a worker, two GPUs each. They belong to every scene's pool: pretended GPUs can be shared. */
export const HOSTS = ['host-a', 'host-b', 'host-c'] as const;

const PRESENCE_BEAT_MS = 3000;

export interface LabOptions {
  /** Dynamic configuration of the server, values as JSON. */
  readonly dynamicConfig?: Readonly<Record<string, string>>;
  /** 0: every workflow task replays the history from its beginning. */
  readonly maxCachedWorkflows?: number;
  /** Where pools have their files. @default a folder that is not there */
  readonly configDirectory?: string;
}

export interface Lab {
  readonly client: Client;
  readonly address: string;
  /** By run id: activities find their scene here. */
  readonly scenes: Map<string, Scene>;
  stop(): Promise<void>;
}

export async function startLab(options: LabOptions = {}): Promise<Lab> {
  const directory = await mkdtemp(join(tmpdir(), 'glee-lab-'));
  const executable = await configured(await obtainServer('temporal'), directory, options.dynamicConfig ?? {});
  const server = await startTemporal({ directory, executable });
  const { address, namespace } = server;
  const connection = await Connection.connect({ address });
  const native = await NativeConnection.connect({ address });
  const scenes: Lab['scenes'] = new Map();
  const sceneOf = (run: string): Scene => {
    const scene = scenes.get(run);
    if (scene === undefined) throw new Error(`no scene is called '${run}'`);
    return scene;
  };
  const common = {
    connection: native,
    namespace,
    identity: 'lab',
    maxHeartbeatThrottleInterval: '100ms',
    shutdownForceTime: '2s',
  } as const;
  const workers = [
    await Worker.create({
      ...common,
      taskQueue: CONTROL_TASK_QUEUE,
      workflowBundle: { codePath: bundlePath },
      activities: controlActivities(sceneOf, options.configDirectory),
      ...(options.maxCachedWorkflows !== undefined && { maxCachedWorkflows: options.maxCachedWorkflows }),
    }),
    ...(await Promise.all(
      HOSTS.map((host) =>
        Worker.create({
          ...common,
          taskQueue: hostTaskQueue(host),
          activities: hostActivities(host, sceneOf),
        }),
      ),
    )),
  ];
  const running = Promise.all(workers.map((worker) => worker.run()));
  return {
    client: new Client({ connection, namespace, identity: 'lab' }),
    address,
    scenes,
    stop: async () => {
      for (const worker of workers) worker.shutdown();
      await running.catch(() => undefined);
      await Promise.allSettled([connection.close(), native.close()]);
      await server.process.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** The server with more on its command line. */
export async function configured(
  executable: string,
  directory: string,
  config: NonNullable<LabOptions['dynamicConfig']>,
): Promise<string> {
  const flags = Object.entries(config).map(([key, value]) => `--dynamic-config-value ${key}=${value}`);
  const script = join(directory, 'temporal');
  await writeFile(script, `#!/bin/sh\nexec '${executable}' "$@" ${flags.join(' ')}\n`);
  await chmod(script, 0o755);
  return script;
}

type AllControlActivities = PlanActivities & StageActivities & PoolActivities & ControlActivities;

/** What concerns the pool is the real thing; plans and S3 are the scene's. */
function controlActivities(
  sceneOf: (run: string) => Scene,
  configDirectory = 'no-such-folder',
): AllControlActivities {
  const real = createStageActivities(noStore);
  return {
    ...real,
    forwardControl,
    findSkipped: (input) => sceneOf(input.stage.run).findSkipped(input),
    publishSkipped: (input) => sceneOf(input.stage.run).publishSkipped(input),
    ...createPoolActivities(configDirectory),
    resolveFineTune: noFineTunes,
    planEvaluation: (input) => sceneOf(input.checkpoint.split('/')[0] ?? '').planEvaluation(),
    endEvaluation: (pinned) => Promise.resolve(void sceneOf(pinned.run).unpinned.push(pinned.by)),
    listCheckpoints: noFineTunes,
    resolvePlan: (input) => unlessShutDown(sceneOf(input.run).resolvePlan(input)),
    recordChanges: (input) => Promise.resolve(void sceneOf(input.run).recorded.push(input)),
    publishStage: (input) => unlessShutDown(sceneOf(input.stage.run).publishStage(input)),
  };
}

function hostActivities(host: string, sceneOf: (run: string) => Scene): HostActivities {
  return {
    async keepPresence() {
      const { workflowExecution } = activityInfo();
      const scene = sceneOf(workflowExecution?.workflowId.replace('pool/', '') ?? '');
      await beating(scene.untilLeft(host), PRESENCE_BEAT_MS).catch(() => undefined);
    },
    leave() {
      const { workflowExecution } = activityInfo();
      sceneOf(workflowExecution?.workflowId.replace('pool/', '') ?? '').leave(host);
      return Promise.resolve();
    },
    measureFreeSpace: () => {
      const run = activityInfo().workflowExecution?.workflowId ?? '';
      return Promise.resolve(sceneOf(run).measureFreeSpace(host));
    },
    openAttempt: (input) => unlessShutDown(sceneOf(input.run).openAttempt(input, host)),
    awaitCheckpoint: (input) => sceneOf(input.run).awaitCheckpoint(input),
    checkHost: (input) => unlessShutDown(sceneOf(input.run).checkHost(input, host)),
    checkCollective: (input) => unlessShutDown(sceneOf(input.run).checkCollective(input, host)),
    evaluateOnHost: (input) => unlessShutDown(sceneOf(input.task.run).evaluateOnHost(host)),
    trainRank: (input) => unlessShutDown(sceneOf(input.run).trainRank(input, host)),
  };
}

/** A fake may wait for what its test, having failed, will never do: it must not keep the lab from stopping. */
function unlessShutDown<T>(fake: Promise<T>): Promise<T> {
  const context = Context.current();
  const shutDown = context.cancelled.catch((error: unknown) => {
    if (context.cancellationDetails?.cancelRequested === true) return new Promise<never>(() => undefined);
    throw error;
  });
  return Promise.race([fake, shutDown]);
}

/** Heartbeats while the work continues, and throws the cancellation when there is one. */
export async function beating<T>(work: Promise<T>, everyMs = 100): Promise<T> {
  const context = Context.current();
  const timer = setInterval(() => context.heartbeat(), everyMs);
  try {
    return await Promise.race([work, context.cancelled]);
  } finally {
    clearInterval(timer);
  }
}

/** They are tried on the embedded default. */
const noFineTunes = () => Promise.reject(new Error('the lab has no fine-tunes'));

const refuse = () => Promise.reject(new Error('these tests have no S3'));
const noStore: ObjectStore = {
  bucket: 'none',
  keyOf: (name) => name,
  // No stage has a head.
  readText: () => Promise.resolve(undefined),
  writeText: refuse,
  upload: refuse,
  download: refuse,
};
