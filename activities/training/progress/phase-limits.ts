/**
 * @module How long a trainer may show no sign of progress before it hangs. For each phase of its life, the first that is known of:
 *
 * 1. what the plan says (limits.phases): a person knows better;
 * 2. ten times the longest that was seen of it: in this attempt, in those before it on this host, and in what the
 *    checkpoint that it resumed from says. No less than minutes, since a disk or a network may have a bad moment, and no
 *    more than limits.stallTimeout;
 * 3. limits.stallTimeout. So it is always for rendezvous: how long that takes is up to the other hosts.
 */
import { TIMED_PHASES, type StageLimits, type TimedPhase } from '../../../contracts/plan.ts';
import type { PhaseRecord } from './companion-files.ts';

export interface PhaseLimit {
  readonly ms: number;
  /** Where it comes from, for people: `limits.phases.iteration`, `10 × the longest seen, 31 s`. */
  readonly source: string;
}

/** The longest that was seen of each phase. Seconds. */
export type Lengths = Readonly<Partial<Record<TimedPhase, number>>>;

const FACTOR = 10;

/** Starts, data and evaluations depend on caches that may be cold the next time. Undefined: up to others, never derived. */
const FLOOR_MS: Readonly<Record<TimedPhase, number | undefined>> = {
  start: 600_000,
  rendezvous: undefined,
  data: 600_000,
  'first iteration': 600_000,
  iteration: 300_000,
  saving: 300_000,
  evaluating: 600_000,
};

/** @param phase Undefined where no one says what the trainer does: it may be anything. */
export function phaseLimit(phase: TimedPhase | undefined, limits: StageLimits, seen: Lengths): PhaseLimit {
  const ceiling = { ms: limits.stallTimeoutMs, source: 'limits.stallTimeout' };
  if (phase === undefined) return ceiling;
  const given = limits.phaseTimeoutsMs?.[phase];
  if (given !== undefined) return { ms: given, source: `limits.phases.${phase}` };
  const [longest, floor] = [seen[phase], FLOOR_MS[phase]];
  if (longest === undefined || floor === undefined) return ceiling;
  const derived = FACTOR * longest * 1000;
  if (Math.max(derived, floor) >= ceiling.ms) return ceiling;
  const seconds = String(Number(longest.toPrecision(2)));
  if (derived >= floor) return { ms: derived, source: `${FACTOR} × the longest seen, ${seconds} s` };
  return { ms: floor, source: `the least that is derived; the longest seen is ${seconds} s` };
}

/** While it trains, what has a limit is one iteration. */
export function timedPhase({ phase }: PhaseRecord): TimedPhase {
  return phase === 'training' ? 'iteration' : phase;
}

/** What a companion's record tells of lengths. */
export function lengthsOf({ longest = {}, longestSeconds }: PhaseRecord): Lengths {
  const phases = TIMED_PHASES.flatMap((phase) => {
    const seconds = phase === 'iteration' ? longestSeconds : longest[phase];
    return seconds === undefined ? [] : [[phase, seconds] as const];
  });
  return Object.fromEntries(phases);
}

export function longestOf(all: readonly Lengths[]): Lengths {
  const phases = TIMED_PHASES.flatMap((phase) => {
    const seconds = all.flatMap((one) => one[phase] ?? []);
    return seconds.length === 0 ? [] : [[phase, Math.max(...seconds)] as const];
  });
  return Object.fromEntries(phases);
}
