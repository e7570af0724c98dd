/**
 * @module Reads the state that the pool's continue-as-new carries, which anyone may have typed. Pure.
 */
import {
  amount,
  fieldsOf,
  listOf,
  oneOf,
  recordOf,
  text,
  whole,
  type Reader,
} from '../../contracts/parsing.ts';
import { MAX_GANG_HOSTS, readHost, readId, readLease, readName } from '../../contracts/pool-messages.ts';
import { readLeasedHost, readReason, readRequest, readTime } from '../../contracts/pool-messages.ts';
import type { HostCondition } from '../../contracts/pool-view.ts';
import type { PoolSettings } from '../../contracts/pool.ts';
import { MAX_HOSTS, MAX_REQUESTS } from './pool-bounds.ts';
import type { Asked, CarriedPool, HeldLease, PoolHost, PoolState, Waiting } from './pool-state.ts';

export const readCarriedPool: Reader<CarriedPool> = (value, at) => {
  const carried = fieldsOf(value, at);
  return { state: carried.of('state', readState), lookedAt: carried.of('lookedAt', readTime) };
};

/** Joined of several reasons. */
const readReasons = text(20_000);
const readRank = whole(-1e9, 1e9);
const isSet = oneOf(true);

const readState: Reader<PoolState> = (value, at) => {
  const state = fieldsOf(value, at);
  return {
    hosts: state.of('hosts', listOf(readPoolHost, MAX_HOSTS)),
    leases: state.of('leases', listOf(readHeldLease, MAX_REQUESTS)),
    queue: state.of('queue', listOf(readWaiting, MAX_REQUESTS)),
    lastToken: state.of('lastToken', whole(0, Number.MAX_SAFE_INTEGER)),
    settings: state.of('settings', readSettings),
    ...(state.has('problem') && { problem: state.of('problem', readReasons) }),
  };
};

const readPoolHost: Reader<PoolHost> = (value, at) => {
  const host = fieldsOf(value, at);
  return {
    ...readHost(value, at),
    ...readCondition(value, at),
    present: host.of('present', (present) => present === true),
    ...(host.has('absentSince') && { absentSince: host.of('absentSince', readTime) }),
    ...(host.has('letGo') && { letGo: host.of('letGo', isSet) }),
  };
};

const readCondition: Reader<HostCondition> = (value, at) => {
  const condition = fieldsOf(value, at);
  return {
    ...(condition.has('quarantined') && { quarantined: condition.of('quarantined', readQuarantine) }),
    ...(condition.has('cordoned') && { cordoned: condition.of('cordoned', readOrderOfHost) }),
    ...(condition.has('draining') && { draining: condition.of('draining', readOrderOfHost) }),
    ...(condition.has('strikes') && { strikes: condition.of('strikes', listOf(readStrike, 10_000)) }),
  };
};

const readQuarantine: Reader<NonNullable<HostCondition['quarantined']>> = (value, at) => {
  const quarantine = fieldsOf(value, at);
  return { reason: quarantine.of('reason', readReasons), since: quarantine.of('since', readTime) };
};

const readOrderOfHost: Reader<NonNullable<HostCondition['cordoned']>> = (value, at) => {
  const order = fieldsOf(value, at);
  return {
    by: order.of('by', readReason),
    why: order.of('why', readReason),
    since: order.of('since', readTime),
  };
};

const readStrike = (value: unknown, at: string) => {
  const strike = fieldsOf(value, at);
  return { at: strike.of('at', readTime), reason: strike.of('reason', readReasons) };
};

const readHeldLease: Reader<HeldLease> = (value, at) => {
  const lease = fieldsOf(value, at);
  return {
    ...readLease(value, at),
    rank: lease.of('rank', readRank),
    arrivedAt: lease.of('arrivedAt', readTime),
    grantedAt: lease.of('grantedAt', readTime),
    ...(lease.has('team') && { team: lease.of('team', readName) }),
    ...(lease.has('asked') && { asked: lease.of('asked', readAsked) }),
    ...(lease.has('adopted') && { adopted: lease.of('adopted', isSet) }),
  };
};

const readAsked: Reader<Asked> = (value, at) => {
  const asked = fieldsOf(value, at);
  return {
    at: asked.of('at', readTime),
    why: asked.of('why', readReasons),
    sakeOf: asked.of('sakeOf', readId),
  };
};

const readWaiting: Reader<Waiting> = (value, at) => {
  const waiting = fieldsOf(value, at);
  return {
    ...readRequest(value, at),
    arrivedAt: waiting.of('arrivedAt', readTime),
    waitingSince: waiting.of('waitingSince', readTime),
    ...(waiting.has('rank') && { rank: waiting.of('rank', readRank) }),
    ...(waiting.has('keepsPlace') && { keepsPlace: waiting.of('keepsPlace', isSet) }),
    ...(waiting.has('claims') && { claims: waiting.of('claims', listOf(readName, MAX_HOSTS)) }),
    ...(waiting.has('before') && { before: waiting.of('before', listOf(readLeasedHost, MAX_GANG_HOSTS)) }),
  };
};

const readSettings: Reader<PoolSettings> = (value, at) => {
  const settings = fieldsOf(value, at);
  return {
    heartbeatTimeoutMs: settings.of('heartbeatTimeoutMs', amount(1e15, 1)),
    ageAfterMs: settings.of('ageAfterMs', amount(1e15, 1)),
    yieldWithinMs: settings.of('yieldWithinMs', amount(1e15, 1)),
    strikes: settings.of('strikes', whole(1, Number.MAX_SAFE_INTEGER)),
    quotas: settings.of('quotas', recordOf(text(1000), whole(0, Number.MAX_SAFE_INTEGER), 10_000)),
  };
};
