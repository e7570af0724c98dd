/**
 * @module Messages to and from the workflows, with their wire names. Whoever talks to a workflow imports them from here.
 */
import { defineQuery, defineSignal } from '@temporalio/workflow';
import type { Host, Lease, LeaseRequest, PoolView } from '../contracts/pool.ts';
import type { RunState, StageState } from '../contracts/runs.ts';
import type { WeightsState } from '../contracts/weights.ts';

/** `jointTraining`: what the run has done, does, and will do. */
export const runStateQuery = defineQuery<RunState>('state');

/** `trainStage`: attempts, hosts, what has happened. */
export const stageStateQuery = defineQuery<StageState>('state');

/** `prepareWeights`: which artifacts are ready. */
export const weightsStateQuery = defineQuery<WeightsState>('state');

/** To the holder of a request: the pool has granted its gang. */
export const leaseGrantedSignal = defineSignal<[Lease]>('leaseGranted');

/** `gpuPool`: a host's worker has started. Said again after every loss of contact. */
export const joinSignal = defineSignal<[Host]>('join');

/** `gpuPool`: a gang is wanted. */
export const requestSignal = defineSignal<[LeaseRequest]>('request');

/** `gpuPool`: the request or its lease is over. */
export const releaseSignal = defineSignal<[{ readonly requestId: string }]>('release');

/** `gpuPool`: hosts, who holds them, who waits. */
export const poolQuery = defineQuery<PoolView>('pool');
