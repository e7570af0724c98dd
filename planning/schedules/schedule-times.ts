/** @module When a schedule runs: checked word by word, before anything is sent. */
import { cronProblem } from './cron.ts';
import { durationMs } from '../reading/durations.ts';
import { alternatives, didYouMean } from '../reading/problems.ts';

/** What happens at a time at which the one before still runs; Temporal's own policies. */
export const OVERLAP_POLICIES = [
  'skip',
  'buffer-one',
  'buffer-all',
  'cancel-other',
  'terminate-other',
  'allow-all',
] as const;
export type OverlapPolicy = (typeof OVERLAP_POLICIES)[number];

export const DEFAULT_TIMES = { timeZone: 'UTC', overlap: 'skip', catchUp: '1d' } as const;

/** As a person writes them on the command line. */
export interface AskedTimes {
  readonly cron: readonly string[];
  readonly every: readonly string[];
  readonly timeZone: string;
  readonly overlap: string;
  readonly jitter?: string;
  readonly catchUp: string;
}

export interface ScheduleTimes {
  readonly cron: readonly string[];
  readonly intervals: readonly { readonly everyMs: number; readonly offsetMs: number }[];
  readonly timeZone: string;
  readonly overlap: OverlapPolicy;
  readonly jitterMs: number;
  readonly catchUpMs: number;
}

/** Temporal's own least. */
const SHORTEST_CATCH_UP_MS = 10_000;

/** The times, or all that is wrong with them. */
export function scheduleTimes(asked: AskedTimes): ScheduleTimes | { readonly problems: readonly string[] } {
  const problems: string[] = [];
  const check = <T>(value: T | undefined, problem: string, otherwise: T): T => {
    if (value === undefined) problems.push(problem);
    return value ?? otherwise;
  };
  const { cron, every, timeZone, overlap, jitter, catchUp } = asked;
  if (cron.length + every.length === 0) {
    problems.push("say when: --cron '0 3 * * mon', or --every 12h");
  }
  for (const one of cron) {
    const problem = cronProblem(one);
    if (problem !== undefined) problems.push(`--cron '${one}' ${problem}`);
  }
  const times = {
    cron,
    intervals: every.map((one) =>
      check(
        intervalOf(one),
        `--every '${one}' is none: write 30m, 12h or 7d, or 7d/3h to begin 3 hours later`,
        {
          everyMs: 0,
          offsetMs: 0,
        },
      ),
    ),
    timeZone: check(zoneOf(timeZone), unknownZone(timeZone), ''),
    overlap: check(policyOf(overlap), unknownPolicy(overlap), DEFAULT_TIMES.overlap),
    jitterMs:
      jitter === undefined ? 0 : check(durationMs(jitter), `--jitter '${jitter}' is none: write 5m or 1h`, 0),
    catchUpMs: check(catchUpOf(catchUp), `--catch-up '${catchUp}' is none: write 1h or 2d, 10s at least`, 0),
  };
  return problems.length > 0 ? { problems } : times;
}

function intervalOf(text: string): ScheduleTimes['intervals'][number] | undefined {
  const [every = '', offset = '0s', ...more] = text.split('/');
  const [everyMs, offsetMs] = [durationMs(every), durationMs(offset)];
  if (more.length > 0 || everyMs === undefined || offsetMs === undefined) return undefined;
  return everyMs >= 1000 && offsetMs < everyMs ? { everyMs, offsetMs } : undefined;
}

/** Of those that this machine knows: Temporal knows the same, from the IANA data base. */
function zoneOf(text: string): string | undefined {
  try {
    new Intl.DateTimeFormat('en', { timeZone: text });
    // An offset is a zone to Intl alone.
    return /^[A-Za-z]/.test(text) ? text : undefined;
  } catch {
    return undefined;
  }
}

function unknownZone(text: string): string {
  const near = didYouMean(text, ['UTC', ...Intl.supportedValuesOf('timeZone')]);
  return `--time-zone '${text}' is unknown${near || ': write one as Europe/Berlin'}`;
}

export function policyOf(text: string): OverlapPolicy | undefined {
  return OVERLAP_POLICIES.find((policy) => policy === text);
}

function unknownPolicy(text: string): string {
  const near = didYouMean(text, OVERLAP_POLICIES);
  return `--overlap '${text}' is none${near || `: say ${alternatives(OVERLAP_POLICIES)}`}`;
}

function catchUpOf(text: string): number | undefined {
  const ms = durationMs(text);
  return ms !== undefined && ms >= SHORTEST_CATCH_UP_MS ? ms : undefined;
}
