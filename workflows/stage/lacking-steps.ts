/**
 * @module Hosts that lack what a plan needs. Whether the plan or the hosts are at fault shows only elsewhere: a stage
 * stops when no gang could be formed of hosts that are not known to lack it, and the hosts count as failed once a gang
 * of others has passed the checks.
 */
import { proxyActivities } from '@temporalio/workflow';
import type { StageActivities } from '../../contracts/activities.ts';
import type { FailureType, NamedFailure } from '../../contracts/failures.ts';
import type { StagePlan } from '../../contracts/plan.ts';
import type { HostBlame } from '../../contracts/pool.ts';
import type { LackingHost, StageState } from '../../contracts/runs.ts';
import { bookkeeping } from '../base/activity-profiles.ts';
import type { UnfitGang } from './preflight.ts';
import { isProven, type PlanProof } from './stage-state.ts';

/** Failures of a trainer that stop a stage, and whose cause may be on its host alone: disk, data, Python, files. */
const OF_ONE_HOST: ReadonlySet<FailureType> = new Set([
  'DamagedData',
  'DiskFull',
  'ImportError',
  'MissingFile',
  'WrongWeights',
]);

interface FailedAttempt {
  readonly failure: NamedFailure;
  /** The checks found its hosts unfit. */
  readonly unfit?: UnfitGang;
}

/** A trainer's start is dear, and a wrong plan fails everywhere. */
const MOST_STARTS = 3;

const { findSuitable } = proxyActivities<StageActivities>(bookkeeping);

/** Whether the pool has enough other hosts for a gang, free or not. */
async function othersLeft({ pool, gang, needs }: StagePlan, { lacking = [] }: StageState): Promise<boolean> {
  const summary = `look which hosts of pool '${pool}' are left to try`;
  const hosts = await findSuitable.executeWithOptions({ ...bookkeeping, summary }, [
    { pool, gang, ...(needs !== undefined && { needs }) },
  ]);
  const known = new Set(lacking.map(({ host }) => host));
  return hosts.filter((host) => !known.has(host)).length >= gang.hosts;
}

/**
 * Hosts that a failed attempt shows to lack something: by the checks, or by a trainer that failed for what may be
 * amiss on its host alone.
 */
export function lackedIn(
  { failure: { type, host, message }, unfit }: FailedAttempt,
  attempt: number,
): readonly LackingHost[] {
  if (unfit !== undefined) return unfit.lacking;
  if (host === undefined || !OF_ONE_HOST.has(type)) return [];
  return [{ host, reason: `${type}: ${message}`, trained: attempt }];
}

/** Whether a failure that would end the stage is tried on other hosts first. */
export async function triesOthers(
  plan: StagePlan,
  state: StageState,
  failed: FailedAttempt,
): Promise<boolean> {
  if (failed.unfit !== undefined) return failed.unfit.ofPlan && othersLeft(plan, state);
  if (lackedIn(failed, state.attempt).length === 0) return false;
  const started = (state.lacking ?? []).filter(({ trained }) => trained !== undefined);
  return started.length < MOST_STARTS && othersLeft(plan, state);
}

/** What a stage stops with: all that was seen, on hosts of earlier gangs too. */
export function noneLeft(failure: NamedFailure, { lacking = [], hosts }: StageState): NamedFailure {
  const earlier = lacking.filter(({ host }) => !hosts.includes(host));
  if (earlier.length === 0 || failure.type === 'HostUnfit') return failure;
  const list = earlier
    .map(({ host, reason }) => `${host}: ${reason}`)
    .join('; ')
    .slice(0, 2000);
  const others = earlier.some(({ trained }) => trained !== undefined)
    ? 'attempts on other hosts failed too'
    : 'no other hosts are left to try, which lack it too';
  return { ...failure, message: `${failure.message}; ${others}: ${list}` };
}

/** Of a stage whose gang has just passed the checks, or has trained. */
export function provenBlames(
  { lacking = [] }: StageState,
  holder: string,
  proof: PlanProof,
): readonly HostBlame[] {
  return lacking
    .filter((one) => isProven(one, proof))
    .map(({ host, reason }) => ({ host, holder, reason, weight: 'counts' }));
}
