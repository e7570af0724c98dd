/**
 * @module How one host's part of an attempt ends.
 */
import { CancelledFailure, log, type ApplicationFailure } from '@temporalio/activity';
import { basename, join } from 'node:path';
import { hasArrived } from '../../contracts/checkpoints.ts';
import type { FailureDetails } from '../../contracts/failures.ts';
import { keys } from '../../contracts/ids.ts';
import type { TrainRankInput, TrainRankResult } from '../../contracts/training.ts';
import { statRegular } from '../files/regular-files.ts';
import { classifyExit, type Classified } from './crashes/classify.ts';
import { failureText, freeBytes } from './disk-watch.ts';
import { KEPT_FILES, readAnswer, readPhase } from './progress/companion-files.ts';
import { coverageFile, readCoverage } from './progress/weights-coverage.ts';
import { readExit, type Job, type TrainerExit } from './jobs/job.ts';
import { lastLine, readNewestMetrics, readTail, type Metrics } from './progress/metrics.ts';
import { recordFailure, recordResult } from './outcome.ts';
import { endTrainer } from './jobs/processes.ts';
import type { Rank } from './rank.ts';
import { keepAsWeights } from './files/host-weights.ts';
import { saveAndStop } from './last-save.ts';
import { removeCheckpoints } from './files/restore.ts';
import type { TrainerEnd } from './supervise.ts';
import { passVerdict } from './supervision-verdict.ts';

/** After a cancellation S3 gets so long to take the newest checkpoint; without one it may be away for as long as it is. */
const LAST_UPLOAD_MS = 120_000;
const LOG_TAIL_BYTES = 64 << 10;
const FULL_BYTES = 64 << 10;
const LOG_UPLOAD_MS = 10_000;

/** The trainer has ended, or is to be: what it saved goes to S3, and how it ended gets its name. */
export async function conclude(rank: Rank, end: TrainerEnd): Promise<TrainRankResult> {
  const { input, job, uploader, signal, heartbeat, settings } = rank;
  const verdict = await passVerdict(rank, end);
  if (verdict !== undefined) await endTrainer(job);
  heartbeat.phase('uploading');
  uploader.spreadOver(undefined);
  if (input.machineRank === 0 && verdict?.keepsLast !== false) await uploader.catchUp(signal);
  const { committed } = uploader;
  const final = committed !== null && hasArrived(committed, input.until) ? committed : null;
  const succeeded = verdict === undefined && end.kind === 'exited' && end.exit?.code === 0;
  const logKey = await uploadLog(rank);
  if (!succeeded || (final === null && input.machineRank === 0))
    throw await trainerFailure(rank, end, logKey);
  // Of a trainer that was to stop before its end, the newest metrics line may be many iterations old.
  const iteration = Math.max(end.metrics?.iteration ?? 0, final?.iterations ?? 0);
  const iterationsRun = countIterations(input, { iteration });
  const coverage = await readCoverage(job);
  const result = await recordResult(job, {
    host: settings.host,
    final,
    iterationsRun,
    ...(coverage !== undefined && { coverage }),
  });
  if (final !== null) await keepAsWeights(settings.scratch, join(job.output, final.name), final.file.sha256);
  await removeCheckpoints(job);
  return result;
}

/** What the trainer itself failed with, recorded: an answer that is lost is given again. */
async function trainerFailure(
  rank: Rank,
  end: TrainerEnd,
  logKey: string | undefined,
): Promise<ApplicationFailure> {
  const { input, job, settings } = rank;
  const verdict = await passVerdict(rank, end);
  const exit = end.kind === 'exited' ? end.exit : undefined;
  const tail = await readTail(job.log, LOG_TAIL_BYTES);
  const named = verdict ?? (await orFullDisk(rank, nameExit(exit, tail, await wasStopped(job))));
  const { type, line, signature } = { signature: undefined, ...named };
  const message = await failureText(settings.scratch, named);
  const iteration = await iterationsDone(job, end.metrics);
  const details: FailureDetails = {
    host: settings.host,
    line,
    // Of two hosts that fail alike, the first is the one blamed.
    at: verdict?.at ?? exit?.at ?? Date.now(),
    iterationsRun: countIterations(input, end.metrics),
    ...(signature !== undefined && { signature }),
    ...(iteration !== undefined && { iteration }),
    ...(logKey !== undefined && { log: logKey }),
    ...(verdict?.ofGang === true && { ofGang: true }),
  };
  return recordFailure(job, { type, message, details });
}

/** On a disk without a free page neither the shim nor the trainer's log could say how it ended. */
async function orFullDisk({ settings }: Rank, named: Classified): Promise<Classified> {
  if (named.type !== 'TrainerLost' || (await freeBytes(settings.scratch)) > FULL_BYTES) return named;
  return { ...named, type: 'DiskFull', message: 'the trainer has ended on a disk without room to say how' };
}

/** Metrics come every 20 iterations; the companion counts each, where it runs. */
async function iterationsDone(job: Job, metrics: Metrics | undefined): Promise<number | undefined> {
  const said = (await readPhase(job))?.iterations;
  return said === undefined ? metrics?.iteration : Math.max(said, metrics?.iteration ?? 0);
}

function countIterations({ resumeFrom }: TrainRankInput, metrics: Metrics | undefined): number {
  return Math.max(0, (metrics?.iteration ?? 0) - (resumeFrom?.iterations ?? 0));
}

/** The companion's trainer ends with status 0 when it has saved and was told to stop. */
async function wasStopped(job: Job): Promise<boolean> {
  return (await readAnswer(job))?.stop === true;
}

function nameExit(
  exit: TrainerExit | undefined,
  tail: string,
  stopped: boolean,
): ReturnType<typeof classifyExit> {
  const line = lastLine(tail);
  if (exit?.code === 0 && stopped) {
    const message = 'the trainer has stopped as it was asked, but by a worker that is gone';
    return { type: 'TrainerKilled', line, message };
  }
  if (exit?.code === 0) {
    return {
      type: 'TrainerCrashed',
      line,
      message: 'the trainer ended with status 0 but left no model_final.pth',
    };
  }
  return classifyExit(exit, tail);
}

/**
 * The workflow wants the trainer gone: it may save first, and what it has saved goes to S3. One that had failed before is still named:
 * a peer that lost it may have been quicker to say so, and is not to be blamed.
 */
export async function endAsAsked(rank: Rank): Promise<never> {
  const { job, uploader, input, heartbeat } = rank;
  const exit = (await readExit(job)) ?? (await saveAndStop(rank));
  heartbeat.phase('uploading');
  await endTrainer(job);
  uploader.spreadOver(undefined);
  if (input.machineRank === 0) {
    await uploader.catchUp(AbortSignal.timeout(LAST_UPLOAD_MS)).catch((error: unknown) => {
      log.warn('the newest checkpoint did not reach S3 before the trainer was ended', {
        error: String(error),
      });
    });
  }
  const logKey = await uploadLog(rank);
  const metrics = await readNewestMetrics(join(job.output, 'metrics.json'));
  if (exit === undefined || exit.code === 0) {
    // The newest metrics line may be many iterations old.
    const iteration = Math.max(metrics?.iteration ?? 0, (await readAnswer(job))?.iterations ?? 0);
    const details: FailureDetails = { iterationsRun: countIterations(input, { iteration }) };
    throw new CancelledFailure('the trainer was ended as asked', [details]);
  }
  throw await trainerFailure(rank, { kind: 'exited', exit, metrics }, logKey);
}

/**
 * The log, the rest of OUTPUT_DIR, and on rank 0's host what the companion has noted follow into S3.
 *
 * @returns The log's key, or undefined when S3 did not take it: a log is not worth a training.
 */
async function uploadLog({ store, follower, input, job, settings }: Rank): Promise<string | undefined> {
  const prefix = keys.attempt(input.run, input.plan.stage, input.token);
  const name = `${prefix}/${settings.host}.log`;
  try {
    if ((await statRegular(job.log)) === undefined) throw new Error(`${job.log} is not a regular file`);
    await store.upload(name, job.log, AbortSignal.timeout(LOG_UPLOAD_MS));
    for (const path of input.machineRank === 0 ? keptFiles(job) : []) {
      if ((await statRegular(path)) === undefined) continue;
      await store.upload(`${prefix}/${basename(path)}`, path, AbortSignal.timeout(LOG_UPLOAD_MS));
    }
    await follower.catchUp(AbortSignal.timeout(LOG_UPLOAD_MS));
    return store.keyOf(name);
  } catch (error) {
    log.warn('the log did not reach S3', { name, error: String(error) });
    return undefined;
  }
}

function keptFiles(job: Job): string[] {
  const said = KEPT_FILES.map((name) => join(job.folder, name));
  return [coverageFile(job), ...said];
}
