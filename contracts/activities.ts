/** @module The activities, as workflows see them. Workers build factories that satisfy these. */
import type { Control } from './controls.ts';
import type { Artifact, Gang, Plan, StageName } from './plan.ts';
import type { Host, HostNeeds, Lease, LeaseAccount, LeaseRequest, PoolSettings } from './pool.ts';
import type { StageChanges, StageResult, TrainStageInput } from './runs.ts';
import type { ScheduledChanges } from './schedule.ts';
import type { PackedSweepState, SweepRules, TrialName, TrialRef } from './sweep.ts';
import type { SweepComparison, SweepResult } from './sweep-results.ts';
import type { ArtifactPlan, PreparedArtifact, Recipe } from './weights.ts';
import type {
  EvaluateInput,
  EvaluateOnHostInput,
  EvaluationResult,
  EvaluationTask,
  PinnedCheckpoint,
} from './evaluation.ts';
import type { FineTunePlan, FineTuneResult } from './fine-tune.ts';
import type { CheckHostInput, HostReport, CheckCollectiveInput, CollectiveReport } from './health.ts';
import type {
  AwaitCheckpointInput,
  DiskRoom,
  OpenAttemptInput,
  OpenAttemptResult,
  PlacedInput,
  TrainRankInput,
  TrainRankResult,
} from './training.ts';

/** Plans are made where the configs and a GLEE checkout are. */
export interface PlanActivities {
  /** Resolves and checks a config, freezes it in S3, and says which stages are done already. Spends nothing. */
  resolvePlan(input: { readonly run: string; readonly config: string }): Promise<ResolvedPlan>;
  /** The same for a fine-tune. */
  resolveFineTune(input: {
    readonly run: string;
    readonly config: string;
    readonly trial?: TrialRef;
  }): Promise<ResolvedFineTune>;
  /** Finds the checkpoint, and how it is to be evaluated; with the result where that was done already. */
  planEvaluation(input: EvaluateInput): Promise<PlannedEvaluation>;
  /** Lets retention have the checkpoint again that was pinned for an evaluation. */
  endEvaluation(input: PinnedCheckpoint): Promise<void>;
  /** Iterations of the stage's checkpoints that S3 has, the final one last. */
  listCheckpoints(input: { readonly run: string; readonly stage: string }): Promise<readonly number[]>;
}

/** What a sweep does in S3. */
export interface SweepActivities {
  /** Resolves and checks a sweep's config, and freezes it in S3. */
  resolveSweep(input: { readonly sweep: string; readonly config: string }): Promise<ResolvedSweep>;
  /** Keeps how the sweep ended, and makes its leaderboard. */
  publishSweep(input: { readonly sweep: string; readonly state: PackedSweepState }): Promise<SweepResult>;
  /** For how many GPU-hours the newest segment of a trial held its hosts, however it ended. */
  measureSegment(input: { readonly run: string }): Promise<number>;
  /** Waits for the end of a trial that runs, or has just ended. */
  awaitTrial(input: { readonly run: string }): Promise<TrialEnd>;
}

export type TrialEnd =
  | { readonly result: FineTuneResult }
  /** Why. */
  | { readonly failed: string }
  | { readonly cancelled: true };

/** What executions of a schedule do besides what they run. */
export interface ScheduleActivities {
  /** Resolves and checks the config as `run`, and says whether the schedule has trained from all of it already. Changes nothing. */
  findScheduledChanges(input: ScheduledInput): Promise<ScheduledChanges>;
  /** Keeps that the run has ended. A sweep is compared with the one before, and the comparison kept beside its leaderboard. */
  concludeScheduled(input: ScheduledInput): Promise<{ readonly comparison?: SweepComparison }>;
}

export interface ScheduledInput {
  readonly schedule: string;
  readonly run: string;
  readonly config: string;
}

export interface ResolvedSweep {
  readonly rules: SweepRules;
  /** In the plan's order. */
  readonly trials: readonly TrialName[];
}

export interface ResolvedFineTune {
  readonly plan: FineTunePlan;
  /** Absent where it has not been trained from the same inputs yet. */
  readonly done?: StageResult;
  readonly changes?: RunChanges;
}

export type RunChanges = Readonly<Partial<Record<StageName, StageChanges>>>;

export interface PlannedEvaluation {
  readonly task: EvaluationTask;
  /** What is kept for it until `endEvaluation`. Absent where it is done, or nothing could be pinned. */
  readonly pinned?: PinnedCheckpoint;
  readonly done?: EvaluationResult;
}

export interface ResolvedPlan {
  readonly plan: Plan;
  /** Results of stages that an earlier execution of this run finished from the same inputs. */
  readonly done: readonly StageResult[];
  /** What people changed of its stages, by stage. Absent when nothing was changed. */
  readonly changes?: RunChanges;
}

/** What a stage does in S3 and with the pool, from any control worker. */
export interface StageActivities {
  /** Queues a request at the pool, starting the pool where it does not run. The grant comes as a signal. */
  requestLease(input: { readonly pool: string; readonly request: LeaseRequest }): Promise<void>;
  /** The lease of a request as the pool has it; null where the pool has none. A signal proves nothing: anyone can send one. */
  confirmLease(input: { readonly pool: string; readonly requestId: string }): Promise<Lease | null>;
  /** Hosts of the pool that could be asked for room; none while no gang could be formed, or when the stage continues from a checkpoint. */
  findCandidates(input: FindCandidatesInput): Promise<readonly string[]>;
  /** Names of the pool's hosts that new work may be given to and that suit the stage, whether they are free or not. */
  findSuitable(input: FindSuitableInput): Promise<readonly string[]>;
  /** Keeps in S3, beside the plan, what people have changed of a stage: a later start of the run continues with it. */
  recordChanges(input: RecordChangesInput): Promise<void>;
  /**
   * Writes the stage's result from its head; fails while the head does not name a final checkpoint. With the stage's
   * `until`, a checkpoint of as many iterations will do, and nothing is written where it is not final.
   */
  publishStage(input: PublishStageInput): Promise<StageResult>;
}

/** What a person's orders need of S3 and of other workflows, from any control worker. */
export interface ControlActivities {
  /** Hands a person's order to the stage, and returns its answer; a refusal is a failure with the stage's own words. */
  forwardControl(input: ForwardControlInput): Promise<string>;
  /** Names what a stage that is to be skipped would leave, without changing anything; fails where there is no such checkpoint. */
  findSkipped(input: SkipStageInput): Promise<Artifact>;
  /** Writes the result of a stage that a person ended, and keeps its weights: a later start of the run finds it done. */
  publishSkipped(input: SkipStageInput): Promise<StageResult>;
}

export interface FindCandidatesInput {
  readonly run: string;
  readonly stage: string;
  readonly pool: string;
  readonly gang: Gang;
}

export interface FindSuitableInput {
  readonly pool: string;
  readonly gang: Gang;
  readonly needs?: HostNeeds;
}

export interface RecordChangesInput {
  readonly run: string;
  readonly stage: string;
  readonly changes: StageChanges;
}

export interface ForwardControlInput {
  /** Workflow id of the stage. */
  readonly stage: string;
  readonly control: Control;
}

export interface SkipStageInput {
  readonly stage: TrainStageInput;
  /** A checkpoint of any run, as people name it. Absent: the newest of the stage itself. */
  readonly weights?: string;
}

export interface PublishStageInput {
  readonly stage: TrainStageInput;
  readonly attempts: number;
  readonly iterationsRun: number;
  readonly trainedSeconds?: number;
  readonly lastFailure?: string;
}

/** What is done with artifacts; needs no GPU host. */
export interface WeightsActivities {
  /** Fails by name when a source is not there, refuses, or is another file than the catalogue says. Fetches nothing. */
  checkSources(input: { readonly artifacts: readonly ArtifactPlan[] }): Promise<void>;
  /** Downloads into S3, unless it is there; continues where an earlier try was cut off. */
  fetchArtifact(input: RecipeInput<'download'>): Promise<PreparedArtifact>;
  /** Converts from S3 to S3, unless that was done. */
  convertArtifact(
    input: RecipeInput<'convert'> & { readonly from: PreparedArtifact },
  ): Promise<PreparedArtifact>;
  mergeArtifact(
    input: RecipeInput<'merge'> & { readonly base: PreparedArtifact; readonly from: PreparedArtifact },
  ): Promise<PreparedArtifact>;
  /** Names the final weights that a run has left. */
  findTrained(input: RecipeInput<'trained'>): Promise<PreparedArtifact>;
}

export interface RecipeInput<How extends Recipe['how']> {
  readonly artifact: ArtifactPlan;
  readonly recipe: Extract<Recipe, { readonly how: How }>;
}

export interface PoolActivities {
  /** What all running holders have of the pool and want of it. One that cannot answer is left out. */
  askHolders(input: { readonly pool: string }): Promise<readonly LeaseAccount[]>;
  /** Which of these workflow ids are no longer running: their leases and requests are over. */
  findEndedHolders(input: { readonly holders: readonly string[] }): Promise<readonly string[]>;
  /** What the pool's file says, or the defaults where it has none; fails by name where the file will not do. */
  readPoolSettings(input: { readonly pool: string }): Promise<PoolSettings>;
}

/** Work that must happen on one host; run on the host's own queue. */
export interface HostActivities {
  /** Runs for as long as the host is there: its heartbeat is the host's life. Returns when the worker leaves. */
  keepPresence(input: { readonly host: Host }): Promise<void>;
  /** The pool lets the host's worker leave: nothing is trained there, and nothing will be. */
  leave(input: { readonly host: Host }): Promise<void>;
  /** What the disks of this host have free, and what of these files would have to be placed on them. */
  measureFreeSpace(input: PlacedInput): Promise<readonly DiskRoom[]>;
  /** Claims the stage's head for the token, and a port for the ranks to meet at. */
  openAttempt(input: OpenAttemptInput): Promise<OpenAttemptResult>;
  /**
   * Resolves when the attempt may be ended at little loss: at once where the trainer saves when asked, else at its next
   * committed checkpoint, and after `withinMs` in any case. Asked of rank 0's host.
   */
  awaitCheckpoint(input: AwaitCheckpointInput): Promise<void>;
  /** Looks at the host before a lease of it is used. What fails, or cannot be looked at, is in the report, by name. */
  checkHost(input: CheckHostInput): Promise<HostReport>;
  /** Goes to each other host of the gang, all of which have been looked at just before, and adds up something with them. */
  checkCollective(input: CheckCollectiveInput): Promise<CollectiveReport>;
  /** Evaluates a checkpoint on this host, or adopts the trainer that does, and keeps the figures in S3. */
  evaluateOnHost(input: EvaluateOnHostInput): Promise<EvaluationResult>;
  /** Starts this host's trainer, or adopts the one that runs, and sees it through. */
  trainRank(input: TrainRankInput): Promise<TrainRankResult>;
}
