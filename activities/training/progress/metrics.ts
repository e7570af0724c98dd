/**
 * @module What the trainer says of its progress: detectron2's metrics.json, one JSON object a line, and its log.
 */
import { z } from 'zod';
import { readJobTail } from '../jobs/job-files.ts';

const lineSchema = z.object({
  iteration: z.number().int().min(0),
  /** Null where Python wrote NaN. Lines without one are of an evaluation. */
  total_loss: z.number().nullable(),
  lr: z.number().optional(),
  time: z.number().optional(),
  eta_seconds: z.number().optional(),
});

export interface Metrics {
  /** Counted from 1: iterations done. */
  readonly iteration: number;
  readonly loss?: number;
  readonly learningRate?: number;
  readonly secondsPerIteration?: number;
  readonly etaSeconds?: number;
}

/** Enough for some lines of either file; a metrics line of GLEE's has some 60 losses. */
const TAIL_BYTES = 32_768;

/** Newest complete line, or undefined while there is none. A line that is being written is left for the next look. */
export async function readNewestMetrics(path: string): Promise<Metrics | undefined> {
  const lines = (await readTail(path, TAIL_BYTES)).split('\n').slice(0, -1).reverse();
  for (const line of lines) {
    const metrics = parseLine(line);
    if (metrics !== undefined) return metrics;
  }
  return undefined;
}

/** A line of metrics that has a loss. */
export interface LossLine {
  /** Counted from 1: iterations done. */
  readonly iteration: number;
  readonly loss: number;
}

/** Those of the last complete lines that have a loss which is a number, oldest first. */
export async function readLosses(path: string, maxBytes: number): Promise<LossLine[]> {
  const lines = (await readTail(path, maxBytes)).split('\n').slice(0, -1);
  return lines.flatMap((line) => {
    const { iteration, loss } = parseLine(line) ?? {};
    return iteration === undefined || loss === undefined ? [] : [{ iteration, loss }];
  });
}

/** Peak GPU memory in MiB from the newest `max_mem: 123M` of the log. */
export function peakMemoryMiB(logTail: string): number | undefined {
  const found = [...logTail.matchAll(/max_mem: (\d+)M/g)].at(-1)?.[1];
  return found === undefined ? undefined : Number(found);
}

/** The last bytes of a text file; '' when it is not there, or is not a regular file. */
export function readTail(path: string, maxBytes = TAIL_BYTES): Promise<string> {
  return readJobTail(path, maxBytes);
}

/** A progress bar may be one line of a mebibyte; what is told of it goes through Temporal. */
const LONGEST_LINE = 1000;

/** The last line of a log's tail, for people. */
export function lastLine(logTail: string): string {
  return (logTail.trimEnd().split('\n').at(-1) ?? '').slice(0, LONGEST_LINE);
}

function parseLine(line: string): Metrics | undefined {
  try {
    // Python writes NaN and Infinity, which JSON has no words for.
    const parsed = lineSchema.safeParse(JSON.parse(line.replaceAll(/-?\b(NaN|Infinity)\b/g, 'null')));
    if (!parsed.success) return undefined;
    const { iteration, total_loss: loss, lr, time, eta_seconds: eta } = parsed.data;
    return {
      iteration: iteration + 1,
      ...(loss !== null && { loss }),
      ...(lr !== undefined && { learningRate: lr }),
      ...(time !== undefined && { secondsPerIteration: time }),
      ...(eta !== undefined && { etaSeconds: eta }),
    };
  } catch {
    return undefined;
  }
}
