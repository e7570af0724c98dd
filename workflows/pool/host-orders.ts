/**
 * @module A person's orders on hosts of the pool: what is refused, and what they make of its state. Pure.
 */
import { distance } from 'fastest-levenshtein';
import type { HostOrder } from '../../contracts/pool.ts';
import { findHost } from './pool-hosts.ts';
import type { PoolState } from './pool-state.ts';

export type HostOrderKind = 'cordon' | 'uncordon' | 'drain' | 'clear';

const NEAREST_SHOWN = 3;

/** @throws with a message for the person, where the order makes no sense. */
export function checkOrder(state: PoolState, order: HostOrderKind, { host: name, by, why }: HostOrder): void {
  const host = findHost(state, name);
  if (host === undefined) throw new Error(`the pool has no host '${name}'${nearestTo(state, name)}`);
  if (by.trim() === '') throw new Error('say who you are: by is empty');
  if (why.trim() === '') throw new Error('say why: others will read it');
  const { cordoned, draining, quarantined, strikes } = host;
  if (order === 'cordon' && cordoned)
    throw new Error(`${name} is cordoned already by ${cordoned.by}: ${cordoned.why}`);
  if (order === 'drain' && draining)
    throw new Error(`${name} is drained already by ${draining.by}: ${draining.why}`);
  if (order === 'uncordon' && !(cordoned ?? draining)) {
    const instead = quarantined ? `; it is quarantined, which 'clear' ends: ${quarantined.reason}` : '';
    throw new Error(`${name} is neither cordoned nor drained${instead}`);
  }
  if (order === 'clear' && !quarantined && (strikes ?? []).length === 0) {
    const instead = (cordoned ?? draining) ? `; 'uncordon' ends what a person has said` : '';
    throw new Error(`${name} is not quarantined and has no strikes${instead}`);
  }
}

function nearestTo({ hosts }: PoolState, name: string): string {
  const nearest = hosts
    .map((host) => ({ name: host.name, away: distance(host.name, name) }))
    .sort((a, b) => a.away - b.away)
    .slice(0, NEAREST_SHOWN)
    .map((host) => host.name);
  return nearest.length === 0 ? ': no host has joined it yet' : `; the nearest are ${nearest.join(', ')}`;
}
