/** @module How far a download is, told a few times a second, for people and heartbeats. */

export interface FetchProgress {
  readonly doneBytes: number;
  readonly totalBytes?: number;
  /** Over the last seconds. */
  readonly bytesPerSecond: number;
  readonly etaSeconds?: number;
  /** What happens besides: `huggingface.co answers 429, trying again in 12 s`. */
  readonly note?: string;
}

export interface Meter {
  /** Begins to count: a download, or the check of what S3 has. */
  start(doneBytes: number, totalBytes: number | undefined, note?: string): void;
  /** @param totalBytes Where it is known only now. */
  at(doneBytes: number, totalBytes?: number): void;
  /** Told at once, whatever the clock says. */
  note(text: string): void;
}

const REPORT_INTERVAL_MS = 500;
const SAMPLES = 20;

/** @param now Milliseconds on a clock that never goes back. */
export function createMeter(
  onProgress: (progress: FetchProgress) => void,
  now: () => number = () => performance.now(),
): Meter {
  let done = 0;
  let total: number | undefined;
  let samples: { readonly at: number; readonly bytes: number }[] = [];

  const report = (note?: string) => {
    samples = [...samples, { at: now(), bytes: done }].slice(-SAMPLES);
    onProgress(progressOf(done, total, rateOf(samples), note));
  };
  return {
    start(doneBytes, totalBytes, note) {
      done = doneBytes;
      total = totalBytes;
      samples = [];
      report(note);
    },
    at(doneBytes, totalBytes = total) {
      done = doneBytes;
      total = totalBytes;
      if (now() - (samples.at(-1)?.at ?? -Infinity) >= REPORT_INTERVAL_MS || done === total) report();
    },
    note: report,
  };
}

function rateOf(samples: readonly { readonly at: number; readonly bytes: number }[]): number {
  const [first, last] = [samples.at(0), samples.at(-1)];
  if (first === undefined || last === undefined || last.at <= first.at) return 0;
  return Math.round(((last.bytes - first.bytes) * 1000) / (last.at - first.at));
}

function progressOf(
  doneBytes: number,
  totalBytes: number | undefined,
  bytesPerSecond: number,
  note: string | undefined,
): FetchProgress {
  const leftBytes = totalBytes === undefined || bytesPerSecond === 0 ? undefined : totalBytes - doneBytes;
  return {
    doneBytes,
    bytesPerSecond,
    ...(totalBytes !== undefined && { totalBytes }),
    ...(leftBytes !== undefined && { etaSeconds: Math.ceil(leftBytes / bytesPerSecond) }),
    ...(note !== undefined && { note }),
  };
}
