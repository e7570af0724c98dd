/** @module The activities, as workflows see them. Workers build factories that satisfy these. */
import type { Host, LeaseRequest } from './pool.ts';
import type { Gang, Plan } from './plan.ts';
import type { StageResult, TrainStageInput } from './runs.ts';
import type { ArtifactPlan, PreparedArtifact, Recipe } from './weights.ts';
import type {
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
}

export interface ResolvedPlan {
  readonly plan: Plan;
  /** Results of stages that an earlier execution of this run finished from the same inputs. */
  readonly done: readonly StageResult[];
}

/** What a stage does in S3 and with the pool, from any control worker. */
export interface StageActivities {
  /** Queues a request at the pool, starting the pool where it does not run. The grant comes as a signal. */
  requestLease(input: { readonly pool: string; readonly request: LeaseRequest }): Promise<void>;
  /** Hosts of the pool that could be asked for room; none while no gang could be formed, or when the stage goes on from a checkpoint. */
  findCandidates(input: FindCandidatesInput): Promise<readonly string[]>;
  /** Writes the stage's result from its head; fails while the head does not name a final checkpoint. */
  publishStage(input: PublishStageInput): Promise<StageResult>;
}

export interface FindCandidatesInput {
  readonly run: string;
  readonly stage: string;
  readonly pool: string;
  readonly gang: Gang;
}

export interface PublishStageInput {
  readonly stage: TrainStageInput;
  readonly attempts: number;
  readonly iterationsRun: number;
}

/** What is done with artifacts; needs no GPU host. */
export interface WeightsActivities {
  /** Fails by name when a source is not there, refuses, or is another file than the catalogue says. Fetches nothing. */
  checkSources(input: { readonly artifacts: readonly ArtifactPlan[] }): Promise<void>;
  /** Downloads into S3, unless it is there; goes on where an earlier try was cut off. */
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
  /** Which of these workflow ids are no longer running: their leases and requests are over. */
  findEndedHolders(input: { readonly holders: readonly string[] }): Promise<readonly string[]>;
}

/** Work that must happen on one host; run on the host's own queue. */
export interface HostActivities {
  /** Runs for as long as the host is there: its heartbeat is the host's life. Returns when the worker leaves. */
  bePresent(input: { readonly host: Host }): Promise<void>;
  /** What the disks of this host have free, and what of these files would have to be placed on them. */
  measureRoom(input: PlacedInput): Promise<readonly DiskRoom[]>;
  /** Claims the stage's head for the token, and a port for the ranks to meet at. */
  openAttempt(input: OpenAttemptInput): Promise<OpenAttemptResult>;
  /** Starts this host's trainer, or adopts the one that runs, and sees it through. */
  trainRank(input: TrainRankInput): Promise<TrainRankResult>;
}
