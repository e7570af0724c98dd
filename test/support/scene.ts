/**
 * @module What happens around a workflow in one test: a run of its own, a pool of its own, and fakes for S3 and the
 * trainers that note how they were called.
 */
import { activityInfo } from '@temporalio/activity';
import type { TestContext } from 'node:test';
import {
  ApplicationFailure,
  WorkflowFailedError,
  type WorkflowHandle,
  type WorkflowHandleWithFirstExecutionRunId,
} from '@temporalio/client';
import { refused } from '../../activities/support/failures.ts';
import type {
  PlannedEvaluation,
  PublishStageInput,
  RecordChangesInput,
  ResolvedPlan,
  SkipStageInput,
} from '../../contracts/activities.ts';
import type { EvaluationResult } from '../../contracts/evaluation.ts';
import { hasArrived, type Checkpoint } from '../../contracts/checkpoints.ts';
import { CONTROL_TASK_QUEUE, poolWorkflowId, stageWorkflowId } from '../../contracts/ids.ts';
import type {
  CheckHostInput,
  HostReport,
  CheckCollectiveInput,
  CollectiveReport,
} from '../../contracts/health.ts';
import type { Artifact, StagePlan } from '../../contracts/plan.ts';
import type { PoolView } from '../../contracts/pool-view.ts';
import type {
  JointTrainingResult,
  StageChanges,
  StageResult,
  StageState,
  TrainStageInput,
} from '../../contracts/runs.ts';
import type {
  AwaitCheckpointInput,
  DiskRoom,
  OpenAttemptInput,
  OpenAttemptResult,
  TrainRankInput,
  TrainRankResult,
} from '../../contracts/training.ts';
import { joinSignal, poolQuery, stageStateQuery } from '../../workflows/base/messages.ts';
import type { trainStage } from '../../workflows/stage/train-stage.ts';
import { stagePlan, stageResult } from '../fixtures/stage-plan.ts';
import { beating, HOSTS, type Lab } from './lab.ts';

/** A workflow that a test waits for in vain ends by itself. */
const DEADLINE = '5 minutes';

/** What differs from a training that succeeds at once. */
export interface Script {
  /** Hosts of the scene's pool. @default host-a and host-b */
  readonly hosts?: readonly string[];
  readonly plan?: Partial<Omit<StagePlan, 'limits'>>;
  readonly limits?: Partial<StagePlan['limits']>;
  readonly resolve?: (input: { readonly run: string; readonly config: string }) => Promise<ResolvedPlan>;
  /** Bytes that a host has free. @default plenty */
  readonly room?: (host: string) => number;
  /** What is seen of a host. @default nothing, which is no failure */
  readonly check?: (input: CheckHostInput, host: string) => Promise<Partial<HostReport>>;
  /** Hosts that open no port to be met at. */
  readonly closed?: readonly string[];
  readonly meet?: (input: CheckCollectiveInput, host: string) => Promise<Partial<CollectiveReport>>;
  readonly open?: (input: OpenAttemptInput, host: string, scene: Scene) => Promise<OpenAttemptResult>;
  readonly train?: (input: TrainRankInput, host: string, scene: Scene) => Promise<TrainRankResult>;
  readonly awaitCheckpoint?: (input: AwaitCheckpointInput) => Promise<void>;
  readonly evaluate?: (host: string, scene: Scene) => Promise<EvaluationResult>;
  readonly publish?: (input: PublishStageInput) => Promise<StageResult>;
}

export interface TrainCall extends TrainRankInput {
  readonly host: string;
  /** Temporal's count of the tries of this one activity. */
  readonly activityAttempt: number;
}

export type StageHandle = WorkflowHandleWithFirstExecutionRunId<typeof trainStage>;

export type RunHandle = WorkflowHandleWithFirstExecutionRunId<
  (input?: unknown) => Promise<JointTrainingResult>
>;

export interface Scene {
  readonly run: string;
  readonly lab: Lab;
  readonly plan: StagePlan;
  /** What S3 holds of the stage. */
  head: Checkpoint | null;
  readonly openings: (OpenAttemptInput & { readonly host: string })[];
  readonly trainings: TrainCall[];
  /** Hosts whose trainer has ended because it was asked to. */
  readonly cancelled: string[];
  readonly published: PublishStageInput[];
  /** What people have changed, as it was kept. */
  readonly recorded: RecordChangesInput[];
  /** Hosts that evaluated. */
  readonly evaluations: string[];
  /** Marks of evaluations that are over. */
  readonly unpinned: string[];
  planEvaluation(): Promise<PlannedEvaluation>;
  evaluateOnHost(host: string): Promise<EvaluationResult>;
  resolvePlan(input: { readonly run: string; readonly config: string }): Promise<ResolvedPlan>;
  /** A run of one stage. */
  planAsUsual(): ResolvedPlan;
  publishStage(input: PublishStageInput): Promise<StageResult>;
  /** As the real one: an error without a name, which Temporal retries, while the final weights are not there. */
  publishAsUsual(input: PublishStageInput): Promise<StageResult>;
  findSkipped(input: SkipStageInput): Promise<Artifact>;
  publishSkipped(input: SkipStageInput): Promise<StageResult>;
  awaitCheckpoint(input: AwaitCheckpointInput): Promise<void>;
  measureFreeSpace(host: string): readonly DiskRoom[];
  openAttempt(input: OpenAttemptInput, host: string): Promise<OpenAttemptResult>;
  checkHost(input: CheckHostInput, host: string): Promise<HostReport>;
  checkCollective(input: CheckCollectiveInput, host: string): Promise<CollectiveReport>;
  trainRank(input: TrainRankInput, host: string): Promise<TrainRankResult>;
  /** Resolves when the host's worker says goodbye to this scene's pool. */
  untilLeft(host: string): Promise<void>;
  leave(host: string): void;
  /** Its worker is there again, and has to join. */
  comeBack(host: string): void;
}

/** A scene with its pool; its run is called like the test. */
export async function setScene(lab: Lab, t: Pick<TestContext, 'name'>, script: Script = {}): Promise<Scene> {
  const run = t.name
    .replace(/[^A-Za-z0-9]+/g, '-')
    .replace(/^-|-$/g, '')
    .slice(0, 63);
  if (lab.scenes.has(run)) throw new Error(`two tests are called '${run}'`);
  const leaving = new Map<string, Gate>(HOSTS.map((host) => [host, newGate()]));
  const scene: Scene = {
    run,
    lab,
    plan: { ...stagePlan(run), ...script.plan, limits: { ...stagePlan(run).limits, ...script.limits } },
    head: null,
    openings: [],
    trainings: [],
    cancelled: [],
    published: [],
    recorded: [],
    evaluations: [],
    unpinned: [],
    planEvaluation: () => Promise.resolve(plannedEvaluation(scene)),
    evaluateOnHost: (host) => {
      scene.evaluations.push(host);
      return (script.evaluate ?? (() => Promise.resolve(evaluated(scene))))(host, scene);
    },
    resolvePlan: (input) => (script.resolve ?? (() => Promise.resolve(scene.planAsUsual())))(input),
    planAsUsual: () => onePlan(scene),
    publishStage: (input) => {
      scene.published.push(input);
      return (script.publish ?? scene.publishAsUsual)(input);
    },
    publishAsUsual: (input) => publish(scene.head, input),
    findSkipped: (input) => {
      if (scene.head === null && input.weights === undefined) return Promise.reject(refused('no checkpoint'));
      const { run: name, plan } = input.stage;
      const { artifact } = stageResult(name, plan, scene.head?.file.sha256 ?? 'given');
      return Promise.resolve({ ...artifact, name: input.weights ?? artifact.name });
    },
    publishSkipped: async (input) => {
      const artifact = await scene.findSkipped(input);
      return { ...stageResult(input.stage.run, input.stage.plan, artifact.sha256), artifact };
    },
    awaitCheckpoint: (input) => (script.awaitCheckpoint ?? (() => Promise.resolve()))(input),
    measureFreeSpace: (host) => {
      return [{ path: '/scratch', freeBytes: script.room?.(host) ?? 1e12, neededBytes: 5.3e9 }];
    },
    openAttempt: (input, host) => {
      scene.openings.push({ ...input, host });
      return (script.open ?? (() => Promise.resolve({ resumeFrom: scene.head, port: 1 })))(
        input,
        host,
        scene,
      );
    },
    checkHost: async (input, host) => ({
      host,
      checks: [],
      at: Date.now(),
      ...(script.closed?.includes(host) !== true && { meeting: { hello: 1, ranks: 2 } }),
      ...(await script.check?.(input, host)),
    }),
    checkCollective: async (input, host) => ({
      host,
      checks: [],
      unreachable: [],
      ...(await script.meet?.(input, host)),
    }),
    trainRank: (input, host) => {
      scene.trainings.push({ ...input, host, activityAttempt: activityInfo().attempt });
      return (script.train ?? finish)(input, host, scene);
    },
    untilLeft: (host) => leaving.get(host)?.opened ?? Promise.resolve(),
    leave: (host) => leaving.get(host)?.open(),
    comeBack: (host) => leaving.set(host, newGate()),
  };
  lab.scenes.set(run, scene);
  for (const host of script.hosts ?? ['host-a', 'host-b']) await join(scene, host);
  return scene;
}

/** A host with two GPUs comes to the scene's pool. One that is not of HOSTS has no one who does its work. */
export async function join({ lab, run }: Scene, host: string): Promise<void> {
  await lab.client.workflow.signalWithStart('gpuPool', {
    workflowId: poolWorkflowId(run),
    taskQueue: CONTROL_TASK_QUEUE,
    args: [],
    signal: joinSignal,
    signalArgs: [{ name: host, gpus: 2, address: `${host}.example` }],
  });
}

export function startStage(
  scene: Scene,
  carried?: TrainStageInput['carried'],
  until?: number,
  changes?: StageChanges,
): Promise<StageHandle> {
  const { run, plan, lab } = scene;
  const weights = { kind: 'checkout', path: 'weights/r50.pth', sha256: 'a1', sizeBytes: 1 } as const;
  return lab.client.workflow.start<typeof trainStage>('trainStage', {
    workflowId: stageWorkflowId(run, plan.stage),
    taskQueue: CONTROL_TASK_QUEUE,
    workflowExecutionTimeout: DEADLINE,
    args: [
      {
        ...{ run, plan, weights },
        ...(carried && { carried }),
        ...(until !== undefined && { until }),
        ...(changes && { changes }),
      },
    ],
  });
}

export function startRun({ run, lab }: Scene, ...args: [] | [unknown]): Promise<RunHandle> {
  return lab.client.workflow.start<(input?: unknown) => Promise<JointTrainingResult>>('jointTraining', {
    workflowId: run,
    taskQueue: CONTROL_TASK_QUEUE,
    workflowExecutionTimeout: DEADLINE,
    args,
  });
}

export function stateOf({ lab, run, plan }: Scene): Promise<StageState> {
  return lab.client.workflow.getHandle(stageWorkflowId(run, plan.stage)).query(stageStateQuery);
}

export function viewPoolOf({ lab, run }: Scene): Promise<PoolView> {
  return lab.client.workflow.getHandle(poolWorkflowId(run)).query(poolQuery);
}

/** Hosts of the scene's pool that someone holds, with who it is. */
export async function leasesOf(scene: Scene): Promise<Record<string, string>> {
  const { hosts } = await viewPoolOf(scene);
  return Object.fromEntries(
    hosts.flatMap(({ name, leasedTo }) => (leasedTo === null ? [] : [[name, leasedTo]])),
  );
}

/** A trainer that succeeds at once; rank 0's leaves the final weights in S3. */
export function finish(input: TrainRankInput, host: string, scene: Scene): Promise<TrainRankResult> {
  const end = input.until ?? input.plan.maxIterations;
  const iterationsRun = end - (input.resumeFrom?.iterations ?? 0);
  if (input.machineRank !== 0) return Promise.resolve({ host, final: null, iterationsRun });
  scene.head = checkpoint(scene, end, input.token, input.plan.maxIterations);
  return Promise.resolve({ host, final: scene.head, iterationsRun });
}

/** A trainer that never ends by itself. */
export async function trainForEver(_: TrainRankInput, host: string, scene: Scene): Promise<never> {
  try {
    return await beating(new Promise<never>(() => undefined));
  } finally {
    scene.cancelled.push(host);
  }
}

/** The stage's checkpoint after so many iterations. */
export function checkpoint(
  { run, plan }: Scene,
  iterations: number,
  token = 1,
  maxIterations = plan.maxIterations,
): Checkpoint {
  const final = iterations === maxIterations;
  const name = final ? 'model_final.pth' : `model_${String(iterations - 1).padStart(7, '0')}.pth`;
  const key = `runs/${run}/${plan.stage}/attempts/${token}/${name}`;
  const file = { key, sha256: `sha-of-${iterations}`, sizeBytes: 1 };
  return { run, stage: plan.stage, token, name, iterations, final, file, savedAt: 0 };
}

/** The failure that a workflow ended with, from under those that only pass it on. */
export async function failedAs(handle: Pick<WorkflowHandle, 'result'>): Promise<ApplicationFailure> {
  const error = await handle.result().then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof WorkflowFailedError)) throw new Error('the workflow did not fail', { cause: error });
  let failure: unknown = error;
  while (failure instanceof Error && failure.cause !== undefined) failure = failure.cause;
  if (failure instanceof ApplicationFailure) return failure;
  throw new Error('the workflow failed for a reason without a name', { cause: error });
}

export interface Gate {
  readonly opened: Promise<void>;
  open(): void;
}

/** For a fake to wait until its test says so. */
export function newGate(): Gate {
  let open: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { opened, open: () => open() };
}

function publish(
  head: Checkpoint | null,
  { stage: { run, plan, until }, attempts, iterationsRun, lastFailure }: PublishStageInput,
): Promise<StageResult> {
  if (head === null || !hasArrived(head, until))
    return Promise.reject(new Error('the head does not name final weights'));
  const { artifact, ...rest } = stageResult(run, plan, head.file.sha256);
  const { iterations, final } = head;
  const name = `${artifact.name}${final ? '' : `@${iterations}`}`;
  return Promise.resolve({
    ...{ ...rest, artifact: { ...artifact, name, iterations }, attempts, iterationsRun },
    ...(lastFailure !== undefined && { lastFailure }),
  });
}

function plannedEvaluation({ run, plan }: Scene): PlannedEvaluation {
  const checkpoint = `${run}/${plan.stage}@100`;
  const weights = { name: checkpoint, bucket: 'b', key: 'k', sha256: 'a1', sizeBytes: 1 };
  const one = { ...plan, gang: { ...plan.gang, hosts: 1 } };
  return {
    task: {
      ...{ run, stage: plan.stage, checkpoint, iterations: 100, weights },
      plan: one,
      datasets: ['d'],
      inputs: 'i',
    },
    pinned: { ...{ run, stage: plan.stage, token: 1, name: 'model_final.pth' }, by: '_evaluation-1' },
  };
}

function evaluated({ run, plan }: Scene): EvaluationResult {
  const metrics = [{ dataset: 'd', metric: 'bbox/AP', value: 7 }];
  return { checkpoint: `${run}/${plan.stage}@100`, sha256: 'a1', iterations: 100, inputs: 'i', metrics };
}

function onePlan({ run, plan }: Scene): ResolvedPlan {
  return { plan: { run, config: 'joint/lite', variant: 'Lite', stages: [plan], warnings: [] }, done: [] };
}
