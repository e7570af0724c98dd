/**
 * @module One host's part of an attempt, as the steps of its life pass it on.
 */
import type { HostSettings } from '../../planning/environment/env.ts';
import type { TrainRankInput } from '../../contracts/training.ts';
import type { Bucket } from '../storage/bucket.ts';
import type { Heartbeat } from './progress/heartbeat.ts';
import type { Job, Origin } from './jobs/job.ts';
import type { OutputFollower } from './files/output-follower.ts';
import type { Supervisors } from './supervisors.ts';
import type { Uploader } from './files/uploader.ts';

export interface TrainingDependencies extends Bucket {
  readonly settings: Pick<HostSettings, 'scratch' | 'checkout' | 'python' | 'host' | 'cacheBytes'>;
  readonly supervisors: Supervisors;
  /** Of the jobs that this worker is given. */
  readonly origin: Origin;
}

export interface Rank extends TrainingDependencies {
  readonly input: TrainRankInput;
  readonly job: Job;
  readonly uploader: Uploader;
  readonly follower: OutputFollower;
  /** Aborted when the activity must end, or let go. */
  readonly signal: AbortSignal;
  readonly heartbeat: Heartbeat;
}
