/**
 * @module Readers of all that comes to a pool or from it. Anyone with access to the namespace can send such a message:
 * a reader bounds each of them in size and count, and lets nothing through that a shell could run.
 */
import { addressProblem } from './addresses.ts';
import { RUN_ID_PATTERN } from './ids.ts';
import { amount, fieldsOf, listOf, oneOf, orNull, recordOf, text, whole, type Reader } from './parsing.ts';
import type {
  CarriedLease,
  Host,
  HostBlame,
  HostJoin,
  HostNeeds,
  HostOrder,
  Lease,
  LeaseAccount,
  LeaseAnswer,
  LeasedHost,
  LeaseRequest,
  LivingJob,
  YieldRequest,
} from './pool.ts';

export const MAX_GPUS = 1024;
/** Hosts that one gang may have, and hosts that it may avoid. */
export const MAX_GANG_HOSTS = 1024;
/** Longest reason that is kept; who writes one cuts it. */
export const LONGEST_REASON = 1000;

const DAY_MS = 86_400_000;
/** What a pool's settings may give a holder for it. */
const LONGEST_YIELD_MS = 30 * DAY_MS;
const LATEST_MS = 8.64e15;
const MAX_LABELS = 32;
/** Jobs that one join tells of. */
export const MAX_JOBS = 256;
const HIGHEST = 1000;

export const readId = text(1200, (id) => id !== '', 'an id');
export const readReason = text(LONGEST_REASON);
export const readTime = amount(LATEST_MS);
export const readName = text(
  63,
  (name) => RUN_ID_PATTERN.test(name),
  'a name of letters, digits, ".", "_" and "-"',
);
const readLabel = text(128, (label) => /^[A-Za-z0-9._-]+$/.test(label), 'a label');
const readPlace = text(64, (place) => /^[0-9a-f]+$/.test(place), 'hex digits');
const isAddress = (address: string) => addressProblem(address) === undefined;
const readAddress = text(253, isAddress, 'a host name or an IP address');
const readGpu = whole(0, MAX_GPUS - 1);
export const readPriority = whole(-HIGHEST, HIGHEST);

/** Each index once. */
const readIndices: Reader<readonly number[]> = (value, at) => {
  const indices = listOf(readGpu, MAX_GPUS)(value, at);
  return [...new Set(indices)].sort((a, b) => a - b);
};

export const readHost: Reader<Host> = (value, at) => {
  const host = fieldsOf(value, at);
  return {
    name: host.of('name', readName),
    gpus: host.of('gpus', whole(0, MAX_GPUS)),
    address: host.of('address', readAddress),
    ...(host.has('gpuMemoryMiB') && { gpuMemoryMiB: host.of('gpuMemoryMiB', amount(1e9)) }),
    ...(host.has('labels') && { labels: host.of('labels', recordOf(readLabel, readLabel, MAX_LABELS)) }),
    ...(host.has('pretend') && { pretend: host.of('pretend', oneOf(true)) }),
    ...(host.has('leaving') && { leaving: host.of('leaving', readReason) }),
    ...(host.has('place') && { place: host.of('place', readPlace) }),
    ...(host.has('workerSince') && { workerSince: host.of('workerSince', readTime) }),
  };
};

export const readJob: Reader<LivingJob> = (value, at) => {
  const job = fieldsOf(value, at);
  return {
    holder: job.of('holder', readId),
    requestId: job.of('requestId', readId),
    token: job.of('token', whole(0, Number.MAX_SAFE_INTEGER)),
    ...(job.has('gpuIndices') && { gpuIndices: job.of('gpuIndices', readIndices) }),
  };
};

export const readJoin: Reader<HostJoin> = (value, at) => {
  const join = fieldsOf(value, at);
  return {
    ...readHost(value, at),
    ...(join.has('jobs') && { jobs: join.of('jobs', listOf(readJob, MAX_JOBS)) }),
  };
};

const readNeeds: Reader<HostNeeds> = (value, at) => {
  const needs = fieldsOf(value, at);
  return {
    ...(needs.has('gpuMemoryMiB') && { gpuMemoryMiB: needs.of('gpuMemoryMiB', amount(1e9)) }),
    ...(needs.has('labels') && { labels: needs.of('labels', recordOf(readLabel, text(128), MAX_LABELS)) }),
  };
};

export const readRequest: Reader<LeaseRequest> = (value, at) => {
  const request = fieldsOf(value, at);
  return {
    requestId: request.of('requestId', readId),
    holder: request.of('holder', readId),
    holderSince: request.of('holderSince', readTime),
    hosts: request.of('hosts', whole(1, MAX_GANG_HOSTS)),
    gpusPerHost: request.of('gpusPerHost', whole(1, MAX_GPUS)),
    avoid: request.of('avoid', listOf(readName, MAX_GANG_HOSTS)),
    ...(request.has('priority') && { priority: request.of('priority', readPriority) }),
    ...(request.has('team') && { team: request.of('team', readName) }),
    ...(request.has('needs') && { needs: request.of('needs', readNeeds) }),
    ...(request.has('replaces') && { replaces: request.of('replaces', readId) }),
  };
};

export const readRelease: Reader<{ readonly requestId: string }> = (value, at) => ({
  requestId: fieldsOf(value, at).of('requestId', readId),
});

export const readPriorityChange: Reader<{ readonly requestId: string; readonly priority: number }> = (
  value,
  at,
) => ({ ...readRelease(value, at), priority: fieldsOf(value, at).of('priority', readPriority) });

export const readBlame: Reader<HostBlame> = (value, at) => {
  const blame = fieldsOf(value, at);
  return {
    host: blame.of('host', readName),
    holder: blame.of('holder', readId),
    reason: blame.of('reason', readReason),
    weight: blame.of('weight', oneOf('at once', 'counts')),
  };
};

export const readOrder: Reader<HostOrder> = (value, at) => {
  const order = fieldsOf(value, at);
  return {
    host: order.of('host', text(253)),
    by: order.of('by', readReason),
    why: order.of('why', readReason),
  };
};

export const readLeasedHost: Reader<LeasedHost> = (value, at) => {
  const host = fieldsOf(value, at);
  return {
    ...readHost(value, at),
    ...(host.has('gpuIndices') && { gpuIndices: host.of('gpuIndices', readIndices) }),
  };
};

export const readLease: Reader<Lease> = (value, at) => {
  const lease = fieldsOf(value, at);
  return {
    requestId: lease.of('requestId', readId),
    holder: lease.of('holder', readId),
    holderSince: lease.of('holderSince', readTime),
    hosts: lease.of('hosts', listOf(readLeasedHost, MAX_GANG_HOSTS)),
    token: lease.of('token', whole(0, Number.MAX_SAFE_INTEGER)),
  };
};

export const readYield: Reader<YieldRequest> = (value, at) => {
  const wanted = fieldsOf(value, at);
  return {
    requestId: wanted.of('requestId', readId),
    // A pool names a holder or a host before a person's reason.
    why: wanted.of('why', text(4 * LONGEST_REASON)).slice(0, LONGEST_REASON),
    withinMs: wanted.of('withinMs', amount(LONGEST_YIELD_MS)),
  };
};

export const readLeaseAnswer: Reader<LeaseAnswer> = (value, at) => {
  const answer = fieldsOf(value, at);
  return {
    isReady: answer.of('isReady', (ready) => ready === true),
    lease: answer.of('lease', orNull(readLease)),
  };
};

export const readLeaseAccount: Reader<LeaseAccount> = (value, at) => {
  const account = fieldsOf(value, at);
  return {
    pool: account.of('pool', text(1000)),
    priority: account.of('priority', readPriority),
    ...(account.has('team') && { team: account.of('team', readName) }),
    held: account.of('held', orNull(readLease)),
    request: account.of('request', orNull(readRequest)),
  };
};

export const readCarriedLease: Reader<CarriedLease> = (value, at) => {
  const carried = fieldsOf(value, at);
  return {
    held: carried.of('held', orNull(readLease)),
    wanted: carried.of('wanted', orNull(readId)),
    replaces: carried.of('replaces', orNull(readId)),
    holderSince: carried.of('holderSince', readTime),
  };
};

/**
 * A token that a host tells, when it can be one: a pool's tokens follow the clock, and one that is far ahead would be
 * ahead for ever.
 */
export function isCredibleToken(token: number, nowMs: number): boolean {
  return token <= nowMs + DAY_MS;
}
