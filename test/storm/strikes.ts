/** @module What a storm does and when: drawn from a seed, the same for the same seed and length. Pure. */
import { randomNumbers } from '../../sandbox/random.ts';

/** Kinds of processes that a strike kills or freezes. */
export const VICTIMS = [
  'trainer',
  'shim',
  'GPU worker',
  'control worker',
  'Temporal server',
  'S3 server',
] as const;
export type Victim = (typeof VICTIMS)[number];

export const S3_FAULTS = ['503', 'stall', 'cut', 'late', 'belated', 'lost', 'reset'] as const;
export type S3Fault = (typeof S3_FAULTS)[number];

export const ORDERS = ['pause', 'yield', 'retry', 'priority'] as const;
export type OrderKind = (typeof ORDERS)[number];

export const HOST_ORDERS = ['cordon', 'drain'] as const;
export type HostOrderKind = (typeof HOST_ORDERS)[number];

export type Blow =
  | { readonly kind: 'kill'; readonly victims: readonly Victim[] }
  | { readonly kind: 'freeze'; readonly victims: readonly Victim[]; readonly seconds: number }
  | { readonly kind: 'S3 fault'; readonly fault: S3Fault; readonly share: number; readonly seconds: number }
  | { readonly kind: 'cut off'; readonly seconds: number }
  /** A GPU worker with a trainer is frozen until another attempt has its stage, and wakes up in the midst of its work. */
  | { readonly kind: 'zombie'; readonly seconds: number }
  /** A host with a trainer reaches S3, but not Temporal: it trains and saves beside the attempt that replaces it. */
  | { readonly kind: 'cut from Temporal'; readonly seconds: number }
  | { readonly kind: 'disk full'; readonly seconds: number }
  | { readonly kind: 'upgrade' }
  | { readonly kind: 'pool lost' }
  | { readonly kind: 'order'; readonly order: OrderKind; readonly seconds: number }
  | { readonly kind: 'host order'; readonly order: HostOrderKind; readonly seconds: number }
  | { readonly kind: 'bad message' };

export interface Strike {
  /** Counted from 1. */
  readonly number: number;
  /** Seconds after the storm's begin. */
  readonly at: number;
  readonly blow: Blow;
  /** Between 0 and 1: picks the host, the process, the run or the message among those that are there. */
  readonly pick: number;
}

type Random = () => number;

/** A kind is drawn as often as it stands here. */
const KINDS: readonly Blow['kind'][] = [
  ...(['kill', 'kill', 'kill', 'freeze', 'freeze', 'freeze', 'S3 fault', 'S3 fault'] as const),
  ...([
    'cut off',
    'zombie',
    'cut from Temporal',
    'disk full',
    'upgrade',
    'pool lost',
    'order',
    'order',
    'host order',
    'bad message',
    'bad message',
  ] as const),
];

/** Seconds between two strikes. */
const GAP = { least: 1, most: 6 };

/** @param seconds How long the storm lasts. */
export function drawStrikes(seed: number, seconds: number): readonly Strike[] {
  const random = randomNumbers(seed);
  const strikes: Strike[] = [];
  for (let at = GAP.least; at < seconds; at += GAP.least + (GAP.most - GAP.least) * random()) {
    const kind = oneOf(random, KINDS);
    strikes.push({ number: strikes.length + 1, at, blow: drawBlow(random, kind), pick: random() });
  }
  return strikes;
}

export function describeBlow(blow: Blow): string {
  const { kind } = blow;
  const lasting = 'seconds' in blow ? ` for ${blow.seconds.toFixed(1)} s` : '';
  switch (kind) {
    case 'kill':
    case 'freeze':
      return `${kind} ${blow.victims.join(' + ')}${lasting}`;
    case 'S3 fault':
      return `S3 answers ${Math.round(blow.share * 100)} % of requests with '${blow.fault}'${lasting}`;
    case 'order':
      return `order '${blow.order}'`;
    case 'host order':
      return `order '${blow.order}' on a host${lasting}`;
    case 'cut off':
    case 'zombie':
    case 'cut from Temporal':
    case 'disk full':
    case 'upgrade':
    case 'pool lost':
    case 'bad message':
      return `${kind}${lasting}`;
  }
}

function drawBlow(random: Random, kind: Blow['kind']): Blow {
  switch (kind) {
    case 'kill':
      return { kind, victims: drawVictims(random) };
    case 'freeze':
      return { kind, victims: drawVictims(random), seconds: drawSeconds(random) };
    case 'S3 fault':
      return {
        kind,
        fault: oneOf(random, S3_FAULTS),
        share: 0.1 + 0.9 * random(),
        seconds: drawSeconds(random),
      };
    case 'cut off':
    case 'disk full':
      return { kind, seconds: drawSeconds(random) };
    case 'zombie':
    case 'cut from Temporal':
      return { kind, seconds: 16 + 16 * random() };
    case 'order':
      return { kind, order: oneOf(random, ORDERS), seconds: 1 + 4 * random() };
    case 'host order':
      return { kind, order: oneOf(random, HOST_ORDERS), seconds: drawSeconds(random) };
    case 'upgrade':
    case 'pool lost':
    case 'bad message':
      return { kind };
  }
}

/** One to three different kinds at the same moment. */
function drawVictims(random: Random): readonly Victim[] {
  const count = random() < 0.6 ? 1 : random() < 0.6 ? 2 : 3;
  return VICTIMS.map((victim) => ({ victim, order: random() }))
    .toSorted((a, b) => a.order - b.order)
    .slice(0, count)
    .map(({ victim }) => victim);
}

/** Mostly a few seconds, at times beyond every time-out of the storm's configs. */
function drawSeconds(random: Random): number {
  return random() < 0.7 ? 0.5 + 5 * random() : 8 + 17 * random();
}

function oneOf<T>(random: Random, values: readonly [T, ...T[]] | readonly T[]): T {
  const value = values[Math.floor(random() * values.length)];
  if (value === undefined) throw new Error('there is nothing to draw from');
  return value;
}
