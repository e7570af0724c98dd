/**
 * @module One host's part of an attempt: start the trainer or adopt the one that runs, and see it through.
 *
 * The trainer belongs to the job folder, not to this activity. An activity that ends because its worker stops, or
 * because Temporal gave it up, lets go and touches nothing; only a cancellation that was asked for ends the trainer.
 */
import { activityInfo, ApplicationFailure, CancelledFailure, Context, log } from '@temporalio/activity';
import { join } from 'node:path';
import { writeGleeYaml } from '../../configs/glee-yaml.ts';
import { mergeSettings } from '../../configs/settings.ts';
import type { CheckpointTimes } from '../../contracts/checkpoints.ts';
import { keys } from '../../contracts/ids.ts';
import type { TrainRankInput, TrainRankResult } from '../../contracts/training.ts';
import { fail, handOver } from '../fail.ts';
import { isDiskFull, writeFileAtomically } from '../storage/files.ts';
import { conclude, endAsAsked } from './conclude.ts';
import { readSaves } from './companion.ts';
import { startHeartbeat } from './heartbeat.ts';
import { listJobs, openJob, wasLaunched, writeTaskToken, type Job } from './job.ts';
import { launchTrainer, trainerArguments } from './launch.ts';
import { readNewestMetrics } from './metrics.ts';
import { readOutcome } from './outcome.ts';
import { OutputFollower } from './output-follower.ts';
import { endTrainer, livingTrainers } from './processes.ts';
import type { Rank, TrainingDependencies } from './rank.ts';
import { placeInitialFiles } from './initial-files.ts';
import { removeCheckpoints, restoreCheckpoint } from './restore.ts';
import { periodOverride } from './save-clock.ts';
import { superviseTrainer } from './supervise.ts';
import { Uploader } from './uploader.ts';

export async function trainRank(
  dependencies: TrainingDependencies,
  input: TrainRankInput,
): Promise<TrainRankResult> {
  const { settings, supervisors } = dependencies;
  const context = Context.current();
  const identity = { run: input.run, stage: input.plan.stage, token: input.token };
  const job = await openJob(settings.scratch, {
    ...identity,
    workflowId: activityInfo().workflowExecution?.workflowId ?? '',
  });
  const supervision = await supervisors.takeOver(job.folder);
  const signal = AbortSignal.any([supervision.signal, context.cancellationSignal]);
  const uploader = new Uploader({
    ...identity,
    bucket: dependencies,
    output: job.output,
    maxIterations: input.plan.maxIterations,
    resumedFrom: input.resumeFrom,
    ...(input.plan.retention && { retention: input.plan.retention }),
    timesOf: (name) => timesOf(job, name),
  });
  const follower = new OutputFollower({
    store: dependencies.store,
    output: job.output,
    scratch: job.folder,
    target: `${keys.attempt(identity.run, identity.stage, identity.token)}/output`,
  });
  const heartbeat = startHeartbeat(input, settings.host, () => uploader.trouble ?? follower.trouble);
  const rank: Rank = { ...dependencies, input, job, uploader, follower, signal, heartbeat };
  try {
    await writeTaskToken(job, activityInfo().taskToken);
    return await run(rank);
  } catch (error) {
    if (!signal.aborted) throw error;
    if (context.cancellationDetails?.cancelRequested === true) return await endAsAsked(rank);
    log.info('letting go of the trainer; it goes on', { job: job.folder });
    if (context.cancellationDetails?.workerShutdown === true)
      throw handOver('the worker stops; its trainer goes on');
    throw new CancelledFailure('another attempt of this activity has the trainer');
  } finally {
    heartbeat.stop();
    supervision.end();
  }
}

async function run(rank: Rank): Promise<TrainRankResult> {
  const { job, input, heartbeat, settings } = rank;
  const before = await readOutcome(job);
  if (before !== undefined) return before;
  if (!(await wasLaunched(job))) {
    await endOlderAttempts(rank);
    await prepare(rank).catch(nameFullDisk(rank));
    const { coverage } = input.plan.limits;
    await launchTrainer(settings, job, trainerArguments(input, job.config), coverage);
  }
  try {
    const end = await superviseTrainer({ ...rank, host: settings.host, report: heartbeat.show });
    return await conclude(rank, end);
  } catch (error) {
    // Refused by S3: a newer attempt owns the stage, and this trainer only wastes power.
    if (error instanceof ApplicationFailure && error.type === 'Superseded') await endTrainer(job);
    throw error;
  }
}

async function endOlderAttempts({ job, settings }: Rank): Promise<void> {
  const living = await livingTrainers();
  for (const other of await listJobs(settings.scratch, job.identity)) {
    if (other.identity.token > job.identity.token) {
      throw fail(
        'Superseded',
        `attempt ${String(other.identity.token)} of this stage has come to this host since`,
      );
    }
    if (other.folder !== job.folder && living.has(other.folder)) await endTrainer(other);
  }
}

/** All that the trainer needs on this host, then the config that leads it there. */
async function prepare(rank: Rank): Promise<void> {
  const { store, settings, input, job, signal, heartbeat } = rank;
  heartbeat.phase('restoring');
  const { plan, resumeFrom } = input;
  const weights = await placeInitialFiles(rank);
  if (resumeFrom !== null) await restoreCheckpoint(store, settings, job, resumeFrom, signal);
  for (const other of await listJobs(settings.scratch, job.identity)) {
    if (other.folder !== job.folder) await removeCheckpoints(other);
  }
  const config = writeGleeYaml({
    base: join(settings.checkout, plan.configFile),
    overrides: mergeSettings(plan.overrides, periodOverride(input)),
    outputDir: job.output,
    // With --resume the checkpoint is loaded instead; the setting must not name another stage's file all the same.
    weights: weights ?? join(job.output, resumeFrom?.name ?? ''),
  });
  await writeFileAtomically(job.config, config);
  heartbeat.phase('starting');
}

/** What the trainer and the companion know of a checkpoint, to be kept with it. */
async function timesOf(job: Job, name: string): Promise<CheckpointTimes> {
  const save = (await readSaves(job)).findLast((one) => one.name === name);
  const metrics = await readNewestMetrics(join(job.output, 'metrics.json'));
  return {
    ...(metrics?.secondsPerIteration !== undefined && { secondsPerIteration: metrics.secondsPerIteration }),
    ...(save !== undefined && { stall: save.stallSeconds, save: save.writeSeconds }),
  };
}

/** A host without space for the checkpoint or the weights needs a person; trying again would only fill the history. */
function nameFullDisk({ settings }: Rank): (error: unknown) => never {
  return (error) => {
    if (!isDiskFull(error)) throw error;
    const message = `no space left below GLEE_SCRATCH (${settings.scratch}) of ${settings.host}: ${String(error)}`;
    throw fail('DiskFull', message, { host: settings.host, at: Date.now() });
  };
}
