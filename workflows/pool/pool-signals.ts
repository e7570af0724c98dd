/**
 * @module What hosts and holders tell the pool. What cannot be read, or finds no room, is dropped and logged.
 */
import { log, setHandler } from '@temporalio/workflow';
import {
  readBlame,
  readJoin,
  readPriorityChange,
  readRelease,
  readRequest,
} from '../../contracts/pool-messages.ts';
import type { HostJoin, Lease, LeaseRequest } from '../../contracts/pool.ts';
import { blameSignal, joinSignal, prioritySignal, releaseSignal, requestSignal } from '../base/messages.ts';
import { adoptJobs } from './pool-adoption.ts';
import { hasRoomFor } from './pool-bounds.ts';
import { blameHost, findHost, joinHost, refusalOfJoin } from './pool-hosts.ts';
import { asToldToHolder, enqueue, release, reprioritise } from './pool-ledger.ts';
import type { PoolHost, PoolState } from './pool-state.ts';
import { taking } from '../base/take-message.ts';

export interface PoolAccess {
  readonly state: () => PoolState;
  readonly update: (next: PoolState) => void;
  /** A host's worker has joined. */
  readonly onJoin: (host: PoolHost) => void;
  /** Tells the holders of leases that they have them; what an ended holder has is released. */
  readonly tell: (leases: readonly Lease[]) => void;
}

export function handleSignals(pool: PoolAccess): void {
  const { state, update } = pool;
  const on = { join: (host: HostJoin) => join(pool, host), request: (one: LeaseRequest) => ask(pool, one) };
  setHandler(joinSignal, taking('join', readJoin, on.join));
  setHandler(requestSignal, taking('request', readRequest, on.request));
  setHandler(
    releaseSignal,
    taking('release', readRelease, ({ requestId }) => update(release(state(), requestId))),
  );
  setHandler(
    prioritySignal,
    taking('priority', readPriorityChange, ({ requestId, priority }) =>
      update(reprioritise(state(), requestId, priority)),
    ),
  );
  setHandler(
    blameSignal,
    taking('blame', readBlame, (blame) => update(blameHost(state(), blame, Date.now()))),
  );
}

function join({ state, update, onJoin, tell }: PoolAccess, host: HostJoin): void {
  const { name, address } = host;
  const refusal = refusalOfJoin(state(), host);
  if (refusal !== undefined) {
    log.warn('refused a host that joins', { host: name, address, refusal });
    return;
  }
  if (findHost(state(), name) === undefined && !hasRoomFor(state(), host)) {
    log.warn('dropped a join: the pool is full', { host: name });
    return;
  }
  const { jobs, ...worker } = host;
  const { state: next, adopted } = adoptJobs(joinHost(state(), worker), host, Date.now());
  update(next);
  tell(adopted);
  const joined = findHost(next, name);
  if (joined !== undefined) onJoin(joined);
}

function ask({ state, update, tell }: PoolAccess, request: LeaseRequest): void {
  const { requestId, holder } = request;
  const held = state().leases.find((lease) => lease.requestId === requestId && lease.holder === holder);
  // The holder has not heard of its grant.
  if (held !== undefined) tell([asToldToHolder(held)]);
  const waits = state().queue.some((one) => one.requestId === requestId);
  if (held === undefined && !waits && !hasRoomFor(state(), request)) {
    log.warn('dropped a request: the pool is full', { requestId });
    return;
  }
  update(enqueue(state(), request, Date.now()));
}
