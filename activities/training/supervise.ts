/**
 * @module Watches a running trainer until it has ended: progress out, checkpoints to S3, hangs found.
 */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Phase, Progress, TrainRankInput } from '../../contracts/training.ts';
import { readPhase, type PhaseRecord } from './companion.ts';
import { COVERAGE_UNKNOWN, isMeasured, readCoverage } from './coverage.ts';
import { readExit, readTrainer, type Job, type TrainerExit } from './job.ts';
import { peakMemoryMiB, readNewestMetrics, readTail, type Metrics } from './metrics.ts';
import { isAlive } from './processes.ts';
import type { OutputFollower } from './output-follower.ts';
import { createSaveClock } from './save-clock.ts';
import type { Uploader } from './uploader.ts';

/** The exit status is looked for this often: it is the largest part of the time to recover that is ours. */
const EXIT_POLL_MS = 50;
/** Metrics, the pointer to the newest checkpoint and the processes cost more to look at. */
const LOOK_EVERY_MS = 500;

export type TrainerEnd =
  | { readonly kind: 'exited'; readonly exit: TrainerExit | undefined; readonly metrics: Metrics | undefined }
  /** No sign of progress for longer than the stall time-out; it still runs. */
  | { readonly kind: 'hangs'; readonly silentMs: number; readonly metrics: Metrics | undefined };

export interface Watch {
  readonly input: TrainRankInput;
  readonly host: string;
  readonly job: Job;
  readonly uploader: Uploader;
  readonly follower: OutputFollower;
  readonly report: (progress: Progress) => void;
  /** Aborted when the activity must let go, whatever the reason; the trainer is not touched here. */
  readonly signal: AbortSignal;
}

/** Resolves when the trainer has ended or hangs. Throws Superseded, or AbortError when the signal says so. */
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
  const { job, input } = watch;
  const clock = createSaveClock(job, input);
  let look = await lookAt(watch);
  let sign = look.sign;
  let signAt = Date.now();
  for (let lookedAt = 0; ;) {
    await delay(EXIT_POLL_MS, undefined, { signal });
    const exit = await readExit(job);
    if (exit !== undefined) return { kind: 'exited', exit, metrics: (await lookAt(watch)).metrics };
    if (Date.now() - lookedAt < LOOK_EVERY_MS) continue;
    lookedAt = Date.now();
    look = await lookAt(watch);
    watch.report({
      ...look.progress,
      ...(input.machineRank === 0 && (await clock.tick(look.metrics?.secondsPerIteration))),
    });
    watch.uploader.spreadOver(uploadSeconds(look.metrics, input));
    if (await isUploading(input, watch.uploader)) upload();
    if (look.sign !== sign) [sign, signAt] = [look.sign, Date.now()];
    // Only rank 0's host writes metrics; a gang hangs together.
    const silentMs = Date.now() - signAt;
    if (input.machineRank === 0 && silentMs > input.plan.limits.stallTimeoutMs) {
      return { kind: 'hangs', silentMs, metrics: look.metrics };
    }
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

interface Look {
  readonly metrics: Metrics | undefined;
  readonly progress: Progress;
  /** Changes whenever the trainer shows that it lives: a line of its log, a metrics line, a checkpoint. */
  readonly sign: string;
}

async function lookAt({ input, host, job, uploader }: Watch): Promise<Look> {
  const [metrics, log, trainer, behind, coverage, said] = await Promise.all([
    readNewestMetrics(join(job.output, 'metrics.json')),
    readTail(job.log),
    readTrainer(job),
    isUploading(input, uploader),
    isMeasured(input) ? readCoverage(job) : undefined,
    readPhase(job),
  ]);
  const isUnknown = isMeasured(input) && metrics !== undefined && coverage === undefined;
  const memoryMiB = peakMemoryMiB(log);
  const progress: Progress = {
    host,
    machineRank: input.machineRank,
    attempt: input.attempt,
    phase: phaseOf(input, { metrics, behind, said, started: trainer !== undefined }),
    maxIterations: input.plan.maxIterations,
    ...metrics,
    ...(said?.iterations !== undefined && {
      iteration: Math.max(said.iterations, metrics?.iteration ?? 0),
    }),
    ...(trainer && { pid: trainer.pid }),
    ...(memoryMiB !== undefined && { memoryMiB }),
    ...(uploader.committed && { committedIterations: uploader.committed.iterations }),
    ...(coverage && { coverage }),
    ...(isUnknown && { note: COVERAGE_UNKNOWN }),
  };
  return { metrics, progress, sign: JSON.stringify([metrics, log, behind, said?.phase, said?.iterations]) };
}

interface Signs {
  readonly metrics: Metrics | undefined;
  readonly behind: boolean;
  readonly said: PhaseRecord | undefined;
  readonly started: boolean;
}

/** detectron2 writes checkpoints on rank 0 alone; what lies on another host is none of its business. */
async function isUploading({ machineRank }: TrainRankInput, uploader: Uploader): Promise<boolean> {
  return machineRank === 0 && (await uploader.isBehind());
}

/** Without a companion that says more, only rank 0's host has metrics to tell starting from training. */
function phaseOf({ machineRank }: TrainRankInput, { metrics, behind, said, started }: Signs): Phase {
  if (behind) return 'uploading';
  if (said !== undefined && said.phase !== 'start') return said.phase;
  return metrics !== undefined || (machineRank !== 0 && started) ? 'training' : 'starting';
}

/** Nothing of the job lives, its shim included, so nobody will write down a status any more. */
async function isGone(job: Job, signal: AbortSignal): Promise<boolean> {
  if (await isAlive(job)) return false;
  // A process that is just being executed shows no environment.
  await delay(EXIT_POLL_MS, undefined, { signal });
  return !(await isAlive(job));
}
