/**
 * @module Messages to and from the workflows, with their wire names. Whoever talks to a workflow imports them from here.
 */
import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import type { ControlKind } from '../../contracts/controls.ts';
import type {
  HostBlame,
  HostJoin,
  HostOrder,
  Lease,
  LeaseAccount,
  LeaseAnswer,
  LeaseRequest,
  PoolSettings,
  YieldRequest,
} from '../../contracts/pool.ts';
import type { HostView, PoolView } from '../../contracts/pool-view.ts';
import type { RunState, StageState } from '../../contracts/runs.ts';
import type { SweepState } from '../../contracts/sweep.ts';
import type { WeightsState } from '../../contracts/weights.ts';

/** `jointTraining`: what the run has done, does, and will do. */
export const runStateQuery = defineQuery<RunState>('state');

/** `trainStage`: attempts, hosts, what has happened. */
export const stageStateQuery = defineQuery<StageState>('state');

/** `prepareWeights`: which artifacts are ready. */
export const weightsStateQuery = defineQuery<WeightsState>('state');

/** `jointTraining` and `trainStage`: what a person asks of them. Each answers with what it did, in words. */
export const controlUpdates = {
  pause: defineUpdate<string, [unknown]>('pause'),
  resume: defineUpdate<string, [unknown]>('resume'),
  yield: defineUpdate<string, [unknown]>('yield'),
  retry: defineUpdate<string, [unknown]>('retry'),
  extend: defineUpdate<string, [unknown]>('extend'),
  priority: defineUpdate<string, [unknown]>('priority'),
  resolve: defineUpdate<string, [unknown]>('resolve'),
  approve: defineUpdate<string, [unknown]>('approve'),
  skip: defineUpdate<string, [unknown]>('skip'),
} as const satisfies Record<ControlKind, unknown>;

/** `fineTuneSweep`: how its trials stand. */
export const sweepStateQuery = defineQuery<SweepState>('state');

/** `fineTuneSweep`: one trial more, a `Trial`. */
export const addTrialUpdate = defineUpdate<string, [unknown]>('addTrial');
/** `fineTuneSweep`: ends one trial, a `TrialOrder`. */
export const stopTrialUpdate = defineUpdate<string, [unknown]>('stopTrial');
/** `fineTuneSweep`: sends one on, whatever the stopping rule says; a `TrialOrder`. */
export const promoteTrialUpdate = defineUpdate<string, [unknown]>('promoteTrial');

/** `trainStage` and `evaluate`: what they hold and wait for, for a pool that was started again. */
export const leaseAccountQuery = defineQuery<LeaseAccount>('leaseAccount');

/** To the holder of a request: the pool has granted its gang. The holder asks the pool for the lease itself. */
export const leaseGrantedSignal = defineSignal<[Lease]>('leaseGranted');

/** To the holder of a lease: the pool wants it back. */
export const yieldSignal = defineSignal<[YieldRequest]>('yield');

/** `gpuPool`: a host failed its holder. The pool counts that, or sets it aside. */
export const blameSignal = defineSignal<[HostBlame]>('blame');

/** `gpuPool`: a request, or the lease that it became, is more or less urgent now. */
export const prioritySignal =
  defineSignal<[{ readonly requestId: string; readonly priority: number }]>('priority');

/** `gpuPool`: a host's worker has started. Said again after every loss of contact. */
export const joinSignal = defineSignal<[HostJoin]>('join');

/** `gpuPool`: a gang is wanted. */
export const requestSignal = defineSignal<[LeaseRequest]>('request');

/** `gpuPool`: the request or its lease is over. */
export const releaseSignal = defineSignal<[{ readonly requestId: string }]>('release');

/** `gpuPool`: hosts, who holds them, who waits. */
export const poolQuery = defineQuery<PoolView>('pool');

/** `gpuPool`: one host as it is; null where the pool does not know it. */
export const hostQuery = defineQuery<HostView | null, [string]>('host');

/** `gpuPool`: the lease of a request. */
export const poolLeaseQuery = defineQuery<LeaseAnswer, [string]>('lease');

/** `gpuPool`: no new leases for the host; what runs on it continues. All of these answer with the host's state afterwards. */
export const cordonUpdate = defineUpdate<HostView, [HostOrder]>('cordon');

/** `gpuPool`: ends a cordon or a drain. */
export const uncordonUpdate = defineUpdate<HostView, [HostOrder]>('uncordon');

/** `gpuPool`: no new work for the host, what runs on it is asked to yield, and its worker may leave when it is free. */
export const drainUpdate = defineUpdate<HostView, [HostOrder]>('drain');

/** `gpuPool`: ends a quarantine, and forgets the strikes. */
export const clearUpdate = defineUpdate<HostView, [HostOrder]>('clear');

/** `gpuPool`: reads the pool's file again. Refused, with what is wrong, where it will not do. */
export const reloadUpdate = defineUpdate<PoolSettings, [{ readonly by: string }]>('reload');
