/**
 * @module A loss that has left its usual height far behind: what is trained on from there is rarely worth its power.
 *
 * It is one where each of the last five lines of metrics is above so many times the median of the fifty before them, or
 * of as many as there are from twenty on. In detectron2 a line is itself the median of twenty iterations, so that one bad
 * batch, or a data set that is harder than the others, is none.
 */
import { join } from 'node:path';
import type { TrainRankInput } from '../../../contracts/training.ts';
import { listJobs, type Job } from '../jobs/job.ts';
import { readLosses, type LossLine, type Metrics } from './metrics.ts';

const SPIKE_LINES = 5;
const USUAL_LINES = 50;
const FEWEST_USUAL = 20;
/** Room for all these lines: one of GLEE's has some 60 losses. */
const TAIL_BYTES = 256 << 10;

export interface LossSpike {
  /** How many times the usual is too much. */
  readonly times: number;
  readonly usual: number;
  /** Its lines, the first of it first. */
  readonly lines: readonly LossLine[];
}

/** @param lines Oldest first. */
export function findSpike(lines: readonly LossLine[], times: number): LossSpike | undefined {
  const last = lines.slice(-SPIKE_LINES);
  const before = lines.slice(-SPIKE_LINES - USUAL_LINES, -SPIKE_LINES);
  if (before.length < FEWEST_USUAL) return undefined;
  const usual = median(before.map(({ loss }) => loss));
  // A loss that may be negative has no usual height to speak of.
  if (usual <= 0 || last.some(({ loss }) => loss <= times * usual)) return undefined;
  return { times, usual, lines: last };
}

/** `total_loss was above 10 × its usual 0.85 for 5 lines of metrics, from iteration 1240 on: 9.1, 12, 15, 20, 31` */
export function spikeText({ times, usual, lines }: LossSpike): string {
  const figures = lines.map(({ loss }) => figure(loss)).join(', ');
  const from = String(lines[0]?.iteration ?? 0);
  return `total_loss was above ${times} × its usual ${figure(usual)} for ${lines.length} lines of metrics, from iteration ${from} on: ${figures}`;
}

export interface SpikeWatch {
  look(metrics: Metrics | undefined): Promise<LossSpike | undefined>;
}

/** Only rank 0's host has metrics. */
export async function createSpikeWatch(
  scratch: string,
  job: Job,
  { plan, resumeFrom }: TrainRankInput,
): Promise<SpikeWatch> {
  const times = plan.limits.lossSpike;
  const before = resumeFrom === null ? [] : await linesBefore(scratch, job, resumeFrom.iterations);
  let seen: number | undefined;
  return {
    async look(metrics) {
      if (times === undefined || metrics === undefined || metrics.iteration === seen) return undefined;
      seen = metrics.iteration;
      return findSpike([...before, ...(await losses(job))], times);
    },
  };
}

/** What earlier attempts on this host have done up to the checkpoint; of what was done twice, the newer. */
async function linesBefore(scratch: string, job: Job, iterations: number): Promise<LossLine[]> {
  const jobs = (await listJobs(scratch, job.identity))
    .filter(({ identity }) => identity.token < job.identity.token)
    .sort((a, b) => a.identity.token - b.identity.token);
  const lines = (await Promise.all(jobs.map(losses))).flat();
  const newest = new Map(lines.map((line) => [line.iteration, line]));
  return [...newest.values()]
    .filter(({ iteration }) => iteration <= iterations)
    .sort((a, b) => a.iteration - b.iteration);
}

function losses({ output }: Job): Promise<LossLine[]> {
  return readLosses(join(output, 'metrics.json'), TAIL_BYTES);
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

function figure(loss: number): string {
  return String(Number(loss.toPrecision(3)));
}
