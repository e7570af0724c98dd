/**
 * @module Signals of hosts and holders. One that cannot be read, or finds no room, is dropped and logged.
 */
import { log, setHandler } from '@temporalio/workflow';
import {
  readBlame,
  readJoin,
  readPriorityChange,
  readRelease,
  readRequest,
} from '../../contracts/pool-messages.ts';
import type { HostJoin, LeaseRequest } from '../../contracts/pool.ts';
import { blameSignal, joinSignal, prioritySignal, releaseSignal, requestSignal } from '../base/messages.ts';
import { tellHolders } from './grant-leases.ts';
import { adoptJobs } from './pool-adoption.ts';
import { hasRoomFor } from './pool-bounds.ts';
import { blameHost, findHost, joinHost, refusalOfJoin } from './pool-hosts.ts';
import { asToldToHolder, enqueue, release, reprioritise } from './pool-ledger.ts';
import type { PoolRun } from './pool-run.ts';
import { taking } from '../base/take-message.ts';

export function answerSignals(pool: PoolRun): void {
  setHandler(
    joinSignal,
    taking('join', readJoin, (host) => join(pool, host)),
  );
  setHandler(
    requestSignal,
    taking('request', readRequest, (request) => take(pool, request)),
  );
  setHandler(
    releaseSignal,
    taking('release', readRelease, ({ requestId }) => pool.update(release(pool.state, requestId))),
  );
  setHandler(
    prioritySignal,
    taking('priority', readPriorityChange, ({ requestId, priority }) =>
      pool.update(reprioritise(pool.state, requestId, priority)),
    ),
  );
  setHandler(
    blameSignal,
    taking('blame', readBlame, (blame) => pool.update(blameHost(pool.state, blame, Date.now()))),
  );
}

function join(pool: PoolRun, host: HostJoin): void {
  const { name, address } = host;
  const refusal = refusalOfJoin(pool.state, host);
  if (refusal !== undefined) {
    log.warn('refused a host that joins', { host: name, address, refusal });
    return;
  }
  if (findHost(pool.state, name) === undefined && !hasRoomFor(pool.state, host)) {
    log.warn('dropped a join: the pool is full', { host: name });
    return;
  }
  const { jobs, ...worker } = host;
  const { state: next, adopted } = adoptJobs(joinHost(pool.state, worker), host, Date.now());
  pool.update(next);
  void tellHolders(pool, adopted);
  const joined = findHost(next, name);
  if (joined !== undefined && pool.isReady) pool.presences.watch(joined, next.settings);
}

function take(pool: PoolRun, request: LeaseRequest): void {
  const { requestId, holder } = request;
  const held = pool.state.leases.find((lease) => lease.requestId === requestId && lease.holder === holder);
  // The holder has not heard of its grant.
  if (held !== undefined) void tellHolders(pool, [asToldToHolder(held)]);
  const waits = pool.state.queue.some((one) => one.requestId === requestId);
  if (held === undefined && !waits && !hasRoomFor(pool.state, request)) {
    log.warn('dropped a request: the pool is full', { requestId });
    return;
  }
  pool.update(enqueue(pool.state, request, Date.now()));
}
