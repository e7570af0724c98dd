/**
 * @module Hosts that lack what a plan needs. Whether the plan or the hosts are at fault shows only elsewhere: a stage
 * stops when no gang could be formed of hosts that are not known to lack it, and the hosts count as failed once a gang
 * of others has passed the checks.
 */
import { proxyActivities } from '@temporalio/workflow';
import type { StageActivities } from '../contracts/activities.ts';
import type { NamedFailure } from '../contracts/failures.ts';
import type { StageLimits, StagePlan } from '../contracts/plan.ts';
import type { HostBlame } from '../contracts/pool.ts';
import type { StageState } from '../contracts/runs.ts';
import { bookkeeping } from './activity-profiles.ts';
import type { UnfitGang } from './health.ts';

const { findSuitable } = proxyActivities<StageActivities>(bookkeeping);

/** Whether the pool has enough other hosts for a gang, free or not. */
export async function othersLeft(
  { pool, gang, needs }: StagePlan,
  { lacking = [] }: StageState,
): Promise<boolean> {
  const summary = `look which hosts of pool '${pool}' are left to try`;
  const hosts = await findSuitable.executeWithOptions({ ...bookkeeping, summary }, [
    { pool, gang, ...(needs !== undefined && { needs }) },
  ]);
  const known = new Set(lacking.map(({ host }) => host));
  return hosts.filter((host) => !known.has(host)).length >= gang.hosts;
}

/**
 * A disk that fills up after the checks: its host lacks room, and others may have it. No longer than attempts may fail,
 * since checks that expect smaller files pass each time.
 */
export function ofFullDisk(
  { type, host, message }: NamedFailure,
  { attemptsWithoutProgress }: StageState,
  limits: StageLimits,
): Omit<UnfitGang, 'kind' | 'failure'> | undefined {
  const isOver = attemptsWithoutProgress >= limits.attemptsWithoutProgress;
  if (type !== 'DiskFull' || host === undefined || isOver) return undefined;
  return { lacking: [{ host, reason: message }], avoid: [host], blames: [], ofPlan: true };
}

/** What a stage stops with: all that was seen, on hosts of earlier gangs too. */
export function noneLeft(failure: NamedFailure, { lacking = [], hosts }: StageState): NamedFailure {
  const earlier = lacking.filter(({ host }) => !hosts.includes(host));
  if (earlier.length === 0 || failure.type === 'HostUnfit') return failure;
  const list = earlier
    .map(({ host, reason }) => `${host}: ${reason}`)
    .join('; ')
    .slice(0, 2000);
  return {
    ...failure,
    message: `${failure.message}; no other hosts are left to try, which lack it too: ${list}`,
  };
}

/** Of a stage whose gang has just passed the checks. */
export function provenBlames({ lacking = [] }: StageState, holder: string): readonly HostBlame[] {
  return lacking.map(({ host, reason }) => ({ host, holder, reason, weight: 'counts' }));
}
