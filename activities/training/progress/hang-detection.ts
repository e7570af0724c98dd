/**
 * @module Finds a trainer that shows no sign of progress for longer than what it does may take.
 *
 * A gang hangs together, and the host at fault has to say so first, for the first is the one blamed. A host speaks at
 * once where what takes so long is its own work. Otherwise rank 0's alone does; where its ranks all wait for others it
 * gives those time to speak before.
 */
import type { TimedPhase } from '../../../contracts/plan.ts';
import type { TrainRankInput } from '../../../contracts/training.ts';
import { readPhase, type PhaseRecord } from './companion-files.ts';
import { listJobs, type Job } from '../jobs/job.ts';
import type { Metrics } from './metrics.ts';
import {
  lengthsOf,
  longestOf,
  phaseLimit,
  timedPhase,
  type Lengths,
  type PhaseLimit,
} from './phase-limits.ts';
import type { RankRecord } from './rank-records.ts';

/** A worker that was itself stopped for a while has not seen silence for that long. */
const LONGEST_LOOK_MS = 10_000;
/** So much longer does it wait for a host at fault to speak: some looks, or a share of the limit. */
const GRACE_MS = 2000;
const GRACE_SHARE = 0.1;

export interface Hang {
  /** When it was found: to end a trainer that does not listen takes longer than to end one that does. */
  readonly at: number;
  readonly silentMs: number;
  /** Undefined where no companion says what the trainer does. */
  readonly phase: TimedPhase | undefined;
  readonly limit: PhaseLimit;
  /** All its ranks wait for ranks on other hosts. */
  readonly waits: boolean;
  /** It is not known to be this host's own work that takes so long: any host of the gang may be at fault. */
  readonly ofGang: boolean;
}

export interface Signs {
  readonly metrics: Metrics | undefined;
  readonly said: PhaseRecord | undefined;
  readonly ranks: readonly RankRecord[];
  /** Changes with each line of the log, and with each checkpoint. */
  readonly log: string;
}

export interface HangWatch {
  look(signs: Signs, now: number): Hang | undefined;
}

/** @param before Of earlier attempts, and of the checkpoint's; see `historicalPhaseDurations`. */
export function createHangWatch(input: TrainRankInput, before: Lengths): HangWatch {
  let sign: string | undefined;
  let lookedAt = 0;
  let silentMs = 0;
  return {
    look(signs, now) {
      const newest = signOf(signs);
      silentMs = newest === sign ? silentMs + Math.min(now - lookedAt, LONGEST_LOOK_MS) : 0;
      [sign, lookedAt] = [newest, now];
      const said = trustedPhase(signs);
      const phase = said && timedPhase(said);
      const seen = longestOf([before, ...(said ? [lengthsOf(said)] : [])]);
      const limit = phaseLimit(phase, input.plan.limits, seen);
      const position = positionOf(signs);
      if (silentMs <= limit.ms + patienceMs(input, position, limit)) return undefined;
      const ofGang = input.plan.gang.hosts > 1 && position !== 'own';
      return { at: now, silentMs, phase, limit, waits: position === 'waits', ofGang };
    },
  };
}

/** `no sign of progress in 'rendezvous' for 301 s (limit 300 s: limits.phases.rendezvous), so the trainer was ended` */
export function hangText({ silentMs, phase, limit, waits }: Hang): string {
  const where = phase === undefined ? '' : ` in '${phase}'`;
  const who = waits ? '; all ranks of this host were waiting for others' : '';
  const seconds = (ms: number) => String(ms < 10_000 ? Math.round(ms / 100) / 10 : Math.round(ms / 1000));
  const allowed = `limit ${seconds(limit.ms)} s: ${limit.source}`;
  return `no sign of progress${where} for ${seconds(silentMs)} s (${allowed})${who}, so the trainer was ended`;
}

/** What is known of lengths before the attempt has shown any. */
export async function historicalPhaseDurations(
  scratch: string,
  job: Job,
  { resumeFrom }: Pick<TrainRankInput, 'resumeFrom'>,
): Promise<Lengths> {
  const jobs = await listJobs(scratch, job.identity);
  const records = await Promise.all(jobs.filter(({ folder }) => folder !== job.folder).map(readPhase));
  const { secondsPerIteration, stall } = resumeFrom?.times ?? {};
  const checkpoint: Lengths = {
    ...(secondsPerIteration !== undefined && { iteration: secondsPerIteration }),
    ...(stall !== undefined && { saving: stall }),
  };
  return longestOf([checkpoint, ...records.flatMap((record) => (record ? [lengthsOf(record)] : []))]);
}

/** In a fork of GLEE's that it could not hook into, a companion says `start` for ever. */
function trustedPhase({ said, metrics }: Signs): PhaseRecord | undefined {
  return said?.phase === 'start' && metrics !== undefined ? undefined : said;
}

/** Where a companion counts iterations, a line of the log is none: a trainer may complain for ever and do nothing else. */
function signOf({ metrics, said, log }: Signs): string {
  const speaks = said === undefined || ['start', 'data', 'evaluating'].includes(said.phase);
  return JSON.stringify([metrics, said?.phase, said?.since, said?.iterations, speaks && log]);
}

/** `own`: what takes so long is this host's own work; `waits`: all its ranks wait for others; else no one knows. */
type Position = 'own' | 'waits' | 'unknown';

function positionOf({ said, ranks }: Signs): Position {
  if (said?.phase === 'rendezvous') return 'waits';
  if ((said?.phase !== 'training' && said?.phase !== 'first iteration') || ranks.length === 0)
    return 'unknown';
  return ranks.every(({ waits }) => waits) ? 'waits' : 'own';
}

function patienceMs({ machineRank, plan }: TrainRankInput, position: Position, { ms }: PhaseLimit): number {
  if (position === 'own' || plan.gang.hosts === 1) return 0;
  // The others may be waiting for rank 0, which alone saves and tells how it gets on.
  if (machineRank !== 0) return Number.POSITIVE_INFINITY;
  return position === 'waits' ? Math.max(GRACE_MS, GRACE_SHARE * ms) : 0;
}
