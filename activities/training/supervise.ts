/**
 * @module Watches a running trainer until it has ended: progress out, checkpoints to S3, hangs found.
 */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Phase, Progress, TrainRankInput } from '../../contracts/training.ts';
import { readPhase } from './progress/companion-files.ts';
import { COVERAGE_UNKNOWN, isMeasured, readCoverage } from './progress/weights-coverage.ts';
import { createDiskWatch, type Disk } from './disk-watch.ts';
import {
  createHangWatch,
  historicalPhaseDurations,
  type Hang,
  type Signs,
} from './progress/hang-detection.ts';
import { readExit, readTrainer, type Job, type TrainerExit } from './jobs/job.ts';
import { createSpikeWatch, type LossSpike } from './progress/loss-spike.ts';
import { peakMemoryMiB, readNewestMetrics, readTail, type Metrics } from './progress/metrics.ts';
import { endTrainer, hasShim } from './jobs/processes.ts';
import { ownSecondsOf, readRanks } from './progress/rank-records.ts';
import type { OutputFollower } from './files/output-follower.ts';
import { createSaveClock } from './files/save-clock.ts';
import type { Uploader } from './files/uploader.ts';

/** The exit status is looked for this often: it is the largest part of the time to recover that is ours. */
const EXIT_POLL_MS = 50;
/** Metrics, the pointer to the newest checkpoint and the processes cost more to look at. */
const LOOK_EVERY_MS = 500;
/** A shim that has not said yet that its trainer runs may be starting for so long. */
const SHIM_START_MS = 5000;

export type TrainerEnd =
  | { readonly kind: 'exited'; readonly exit: TrainerExit | undefined; readonly metrics: Metrics | undefined }
  /** No sign of progress for too long; it still runs. */
  | { readonly kind: 'hangs'; readonly hang: Hang; readonly metrics: Metrics | undefined }
  /** It diverges, and still runs. */
  | { readonly kind: 'spikes'; readonly spike: LossSpike; readonly metrics: Metrics | undefined };

export interface Watch extends Disk {
  readonly input: TrainRankInput;
  readonly host: string;
  readonly follower: OutputFollower;
  readonly report: (progress: Progress) => void;
  /** Aborted when the activity must let go, whatever the reason; the trainer is not touched here. */
  readonly signal: AbortSignal;
}

/** Resolves when the trainer has ended, hangs or diverges. Throws Superseded, or AbortError when the signal says so. */
export async function superviseTrainer(watch: Watch): Promise<TrainerEnd> {
  const { uploader, follower, signal } = watch;
  const failed = new AbortController();
  const ending = AbortSignal.any([signal, failed.signal]);
  let uploading: Promise<void> | undefined;
  let uploadError: unknown;
  const upload = () => {
    uploading ??= uploader
      .catchUp(ending)
      .catch((error: unknown) => {
        uploadError = error;
        failed.abort();
      })
      .finally(() => (uploading = undefined));
  };
  const following = follower.follow(ending);
  try {
    return await watchUntilEnd(watch, ending, upload);
  } catch (error) {
    throw failed.signal.aborted && !signal.aborted ? uploadError : error;
  } finally {
    failed.abort();
    await Promise.all([uploading, following]);
  }
}

async function watchUntilEnd(watch: Watch, signal: AbortSignal, upload: () => void): Promise<TrainerEnd> {
  const { job, input, scratch } = watch;
  const clock = createSaveClock(job, input);
  const hangs = createHangWatch(input, await historicalPhaseDurations(scratch, job, input));
  const disk = createDiskWatch(watch);
  const spikes = await createSpikeWatch(scratch, job, input);
  for (let lookedAt = 0; ;) {
    await delay(EXIT_POLL_MS, undefined, { signal });
    const exit = await readExit(job);
    if (exit !== undefined) return { kind: 'exited', exit, metrics: (await lookAt(watch)).metrics };
    if (Date.now() - lookedAt < LOOK_EVERY_MS) continue;
    lookedAt = Date.now();
    const look = await lookAt(watch);
    const { metrics } = look;
    // Only rank 0 saves.
    const note = input.machineRank === 0 ? await disk.look(hasLoaded(look)) : undefined;
    watch.report({
      ...look.progress,
      ...(input.machineRank === 0 && (await clock.tick(metrics?.secondsPerIteration))),
      ...(note !== undefined && { note }),
    });
    watch.uploader.spreadOver(uploadSeconds(metrics, input));
    if (look.behind) upload();
    const hang = hangs.look(look, Date.now());
    if (hang !== undefined) return { kind: 'hangs', hang, metrics };
    const spike = await spikes.look(metrics);
    if (spike !== undefined) return { kind: 'spikes', spike, metrics };
    if (await isGone(job, signal)) {
      return { kind: 'exited', exit: await readExit(job), metrics: (await lookAt(watch)).metrics };
    }
  }
}

/** An upload may take so long of the trainer's time: half of the time to the next checkpoint, and no more than is lost lightly. */
const LONGEST_UPLOAD_S = 120;

function uploadSeconds(metrics: Metrics | undefined, { plan }: TrainRankInput): number | undefined {
  const pace = metrics?.secondsPerIteration;
  return pace === undefined ? undefined : Math.min(LONGEST_UPLOAD_S, 0.5 * pace * plan.checkpointPeriod);
}

/** Weights and checkpoints are loaded before the first iteration, whoever says that it has come to that. */
export function hasLoaded({ metrics, said }: Pick<Signs, 'metrics' | 'said'>): boolean {
  return metrics !== undefined || !['start', 'rendezvous', 'data'].includes(said?.phase ?? 'start');
}

interface Look extends Signs {
  readonly progress: Progress;
  /** A checkpoint is there that S3 lacks. */
  readonly behind: boolean;
}

async function lookAt({ input, host, job, uploader }: Watch): Promise<Look> {
  const [metrics, log, trainer, behind, coverage, said, ranks] = await Promise.all([
    readNewestMetrics(join(job.output, 'metrics.json')),
    readTail(job.log),
    readTrainer(job),
    isUploading(input, uploader),
    isMeasured(input) ? readCoverage(job) : undefined,
    readPhase(job),
    readRanks(job),
  ]);
  const isUnknown = isMeasured(input) && metrics !== undefined && coverage === undefined;
  const memoryMiB = peakMemoryMiB(log);
  const own = ownSecondsOf(ranks);
  const progress: Progress = {
    host,
    machineRank: input.machineRank,
    attempt: input.attempt,
    phase: phaseOf(input, { metrics, behind, said, ranks, started: trainer !== undefined }),
    ...(behind && { uploading: true }),
    maxIterations: input.plan.maxIterations,
    ...metrics,
    ...(said?.iterations !== undefined && {
      iteration: Math.max(said.iterations, metrics?.iteration ?? 0),
    }),
    ...(trainer && { pid: trainer.pid }),
    ...(memoryMiB !== undefined && { memoryMiB }),
    ...(own !== undefined && { ownSecondsPerIteration: own }),
    ...(uploader.committed && { committedIterations: uploader.committed.iterations }),
    ...(coverage && { coverage }),
    ...(isUnknown && { note: COVERAGE_UNKNOWN }),
  };
  return { metrics, progress, behind, said, ranks, log: JSON.stringify([log, behind]) };
}

export interface PhaseSigns extends Pick<Signs, 'metrics' | 'said' | 'ranks'> {
  readonly behind: boolean;
  readonly started: boolean;
}

/** detectron2 writes checkpoints on rank 0 alone; what lies on another host is none of its business. */
async function isUploading({ machineRank }: TrainRankInput, uploader: Uploader): Promise<boolean> {
  return machineRank === 0 && (await uploader.isBehind());
}

/**
 * What the trainer does, in its own words. Where no companion runs, only rank 0's host has metrics to tell starting from
 * training, and an upload is all that is known beside them. One that could not hook into a fork says `start` for ever.
 */
export function phaseOf(
  { machineRank }: Pick<TrainRankInput, 'machineRank'>,
  { metrics, behind, said, ranks, started }: PhaseSigns,
): Phase {
  const trains = metrics !== undefined || ranks.length > 0;
  if (said !== undefined && said.phase !== 'start') return said.phase;
  if (said !== undefined && !trains) return 'starting';
  if (behind) return 'uploading';
  return trains || (machineRank !== 0 && started) ? 'training' : 'starting';
}

/**
 * Nothing of the job lives, its shim included, so no one will write down a status any more. A trainer whose shim was ended
 * is ended here: it would hold its GPUs, and no worker would ever know how it ends.
 */
export async function isGone(job: Job, signal: AbortSignal): Promise<boolean> {
  if (await isWithShim(job)) return false;
  // A process that is just being executed shows no environment: a moment, but for a shim that starts on a busy machine.
  const patienceMs = (await readTrainer(job)) === undefined ? SHIM_START_MS : EXIT_POLL_MS;
  for (const deadline = Date.now() + patienceMs; Date.now() < deadline;) {
    await delay(EXIT_POLL_MS, undefined, { signal });
    if (await isWithShim(job)) return false;
    if ((await readExit(job)) !== undefined) return true;
  }
  await endTrainer(job);
  return true;
}

/** True as well while processes cannot be looked at: then nothing is known. */
async function isWithShim(job: Job): Promise<boolean> {
  return hasShim(job).catch(() => true);
}
