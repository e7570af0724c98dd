/**
 * @module Looks at all hosts of a lease before it is used: each by itself, the ways between them, and whether they are
 * alike. What is unfit is named, with who is to do what; the stage decides.
 */
import { isCancellation, proxyActivities } from '@temporalio/workflow';
import type { HostActivities } from '../../contracts/activities.ts';
import type { NamedFailure } from '../../contracts/failures.ts';
import type {
  CheckHostInput,
  HostReport,
  CheckCollectiveInput,
  CollectiveReport,
  MetHost,
} from '../../contracts/health.ts';
import type { HostBlame, Lease, LeasedHost } from '../../contracts/pool.ts';
import type { LackingHost } from '../../contracts/runs.ts';
import { looking } from '../base/activity-profiles.ts';
import { judgeGang, type HostAnswer, type GangVerdict } from './preflight-verdict.ts';
import { nameFailure } from './recovery.ts';

export type GangHealth =
  /** `said`: for the run's events. */
  | { readonly kind: 'fit'; readonly said: string }
  | {
      readonly kind: 'unfit';
      readonly failure: NamedFailure;
      /** All hosts that are unfit, for the next lease to avoid. */
      readonly avoid: readonly string[];
      /** To be signalled to the pool. */
      readonly blames: readonly HostBlame[];
      /** Hosts that were seen to lack what the plan needs. */
      readonly lacking: readonly LackingHost[];
      /** Nothing else is wrong with the gang. */
      readonly ofPlan: boolean;
    };

export type UnfitGang = Extract<GangHealth, { readonly kind: 'unfit' }>;

/** Throws only when the workflow itself is cancelled. */
export async function checkGang(
  lease: Lease,
  input: Pick<CheckHostInput, 'run' | 'plan' | 'token' | 'placed'>,
): Promise<GangHealth> {
  const looks = await Promise.all(lease.hosts.map((host) => check(host, input)));
  const first = judgeGang(looks);
  if (first.kind === 'unfit' || lease.hosts.length === 1) return healthOf(first, lease);
  const met = meetingOf(lease, looks);
  const closed = lease.hosts.filter(({ name }) => met.every((host) => host.name !== name));
  if (closed.length > 0) return healthOf(judgeGang(looks, closed.map(notMet)), lease);
  const meetings = await Promise.all(lease.hosts.map((host, rank) => meet(host, rank, met, input)));
  return healthOf(judgeGang(looks, meetings), lease);
}

function healthOf(verdict: GangVerdict, { holder }: Lease): GangHealth {
  if (verdict.kind === 'fit') return verdict;
  return { ...verdict, blames: verdict.blames.map((blame) => ({ ...blame, holder })) };
}

function meetingOf({ hosts }: Lease, looks: readonly HostAnswer<HostReport>[]): readonly MetHost[] {
  return hosts.flatMap(({ name, address }, index) => {
    const ports = looks[index]?.report?.meeting;
    return ports === undefined ? [] : [{ name, address, ports }];
  });
}

function notMet({ name: host }: LeasedHost): HostAnswer<CollectiveReport> {
  return {
    host,
    failure: { type: 'HostUnfit', host, message: `host ${host} is unfit: ports: it opened none` },
  };
}

function check(host: LeasedHost, input: Omit<CheckHostInput, 'gpuIndices'>): Promise<HostAnswer<HostReport>> {
  const { plan } = input;
  const options = { ...looking(host.name, plan.limits), summary: `look at ${host.name} before it is used` };
  return answerOf(host, () =>
    proxyActivities<HostActivities>(options).checkHost({ ...input, ...gpusOf(host) }),
  );
}

function meet(
  host: LeasedHost,
  machineRank: number,
  hosts: readonly MetHost[],
  { run, plan, token }: Omit<CheckHostInput, 'gpuIndices'>,
): Promise<HostAnswer<CollectiveReport>> {
  const { stage, gang, limits } = plan;
  const options = { ...looking(host.name, limits), summary: `have ${host.name} meet the rest of the gang` };
  const input: CheckCollectiveInput = {
    ...{ run, stage, token, machineRank, hosts, gpusPerHost: gang.gpusPerHost },
    ...gpusOf(host),
  };
  return answerOf(host, () => proxyActivities<HostActivities>(options).checkCollective(input));
}

function gpusOf({ gpuIndices }: LeasedHost): { readonly gpuIndices?: readonly number[] } {
  return gpuIndices === undefined ? {} : { gpuIndices };
}

async function answerOf<T>({ name }: LeasedHost, ask: () => Promise<T>): Promise<HostAnswer<T>> {
  try {
    return { host: name, report: await ask() };
  } catch (error) {
    if (isCancellation(error)) throw error;
    const failure = nameFailure(error, name);
    if (failure.type !== 'TrainerCrashed') return { host: name, failure };
    // No trainer ran: the check itself broke.
    return { host: name, failure: { ...failure, type: 'HostUnfit' } };
  }
}
