/**
 * @module What a bench measures, and the one JSON line that says it.
 */

/** One thing measured, ours against a peer's. */
export interface Case {
  readonly bench: string;
  readonly case: string;
  readonly unit: string;
  /** Less is better in all cases there are. Empty where nothing could be measured. */
  readonly ours: readonly number[];
  readonly peer: readonly number[];
  readonly peerName: string | null;
}

/** What `main.ts` gives a bench. */
export interface BenchOptions {
  readonly runs: number;
  /** Only this case is wanted; a bench may then leave out what it does not need. */
  readonly only: string | undefined;
  /** False: ours alone, for a quick look at a change. */
  readonly withPeer: boolean;
  readonly signal: AbortSignal;
  /** For people, on stderr. */
  readonly progress: (text: string) => void;
}

export interface Bench {
  readonly about: string;
  readonly cases: Readonly<Record<string, string>>;
  readonly run: (options: BenchOptions) => Promise<readonly Case[]>;
}

/** Medians, and how many times ours goes into the peer's: above 1 when ours is better. */
export function caseLine({ bench, case: name, unit, ours, peer, peerName }: Case): string {
  const [mine, theirs] = [median(ours), median(peer)];
  const ratio = mine === null || theirs === null || mine <= 0 ? null : round(theirs / mine);
  return JSON.stringify({ bench, case: name, unit, ours: mine, peer: theirs, peerName, ratio });
}

export function median(values: readonly number[]): number | null {
  const ordered = values.toSorted((a, b) => a - b);
  const upper = ordered[Math.floor(ordered.length / 2)];
  const lower = ordered[Math.ceil(ordered.length / 2) - 1];
  return upper === undefined || lower === undefined ? null : round((lower + upper) / 2);
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
