/**
 * @module One host's part of an attempt: start the trainer or adopt the one that runs, and see it through.
 *
 * The trainer belongs to the job folder, not to this activity (hold-job.ts).
 */
import { ApplicationFailure } from '@temporalio/activity';
import { join } from 'node:path';
import { writeGleeYaml } from '../../planning/glee/write-glee-yaml.ts';
import { mergeSettings } from '../../planning/reading/nested-settings.ts';
import type { CheckpointTimes } from '../../contracts/checkpoints.ts';
import { keys } from '../../contracts/ids.ts';
import type { Overrides, StagePlan } from '../../contracts/plan.ts';
import type { TrainRankInput, TrainRankResult } from '../../contracts/training.ts';
import { fail } from '../support/failures.ts';
import { writeFileAtomically } from '../files/atomic-files.ts';
import { torchFileProblem } from '../torch-file/checkpoint.ts';
import { conclude, endAsAsked } from './conclude.ts';
import { readSaves } from './progress/companion-files.ts';
import { writeDeclaredDatasets } from './progress/declared-datasets.ts';
import { whenDiskIsFull } from './full-disk.ts';
import { startHeartbeat } from './progress/heartbeat.ts';
import { holdJob } from './hold-job.ts';
import { listJobs, type Job, type LeasedJob } from './jobs/job.ts';
import { folderOf, keyOf } from './jobs/job-key.ts';
import { isThere, launchTrainer, trainerArguments } from './launch.ts';
import { readNewestMetrics } from './progress/metrics.ts';
import { readOutcome } from './outcome.ts';
import { OutputFollower } from './files/output-follower.ts';
import { endTrainer, livingTrainers } from './jobs/processes.ts';
import type { Rank, TrainingDependencies } from './rank.ts';
import { placeInitialFiles } from './initial-files.ts';
import { asRestored, removeCheckpoints, restoreCheckpoint } from './files/restore.ts';
import { savePeriodOverride } from './files/save-clock.ts';
import { superviseTrainer } from './supervise.ts';
import { Uploader } from './files/uploader.ts';

export function trainRank(
  dependencies: TrainingDependencies,
  input: TrainRankInput,
): Promise<TrainRankResult> {
  const { run, plan, token, requestId, gpuIndices } = input;
  const lease = { ...(requestId !== undefined && { requestId }), ...(gpuIndices && { gpuIndices }) };
  const identity = { run, stage: plan.stage, token, ...lease };
  return whenDiskIsFull(dependencies, identity, () => holdAndTrain(dependencies, identity, input));
}

function holdAndTrain(
  dependencies: TrainingDependencies,
  identity: LeasedJob,
  input: TrainRankInput,
): Promise<TrainRankResult> {
  const { settings, store } = dependencies;
  return holdJob(dependencies, identity, 'trainer', (job, signal) => {
    const uploader = new Uploader({
      ...identity,
      bucket: dependencies,
      output: job.output,
      maxIterations: input.plan.maxIterations,
      resumedFrom: input.resumeFrom && asRestored(input.resumeFrom),
      ...(input.plan.retention && { retention: input.plan.retention }),
      timesOf: (name) => timesOf(job, name),
      problemOf: torchFileProblem,
    });
    const follower = new OutputFollower({
      store,
      output: job.output,
      scratch: job.folder,
      target: `${keys.attempt(identity.run, identity.stage, identity.token)}/output`,
    });
    const heartbeat = startHeartbeat(input, settings.host, () => uploader.trouble ?? follower.trouble);
    const rank: Rank = { ...dependencies, input, job, uploader, follower, signal, heartbeat };
    return { work: () => run(rank), endAsAsked: () => endAsAsked(rank), stop: heartbeat.stop };
  });
}

async function run(rank: Rank): Promise<TrainRankResult> {
  const { job, input, heartbeat, settings } = rank;
  const before = await readOutcome(job);
  if (before !== undefined) return before;
  if (!(await isThere(job))) {
    await endOlderAttempts(rank);
    await prepare(rank);
    const { gpuIndices, plan, until } = input;
    const { datasets } = plan;
    const coverage = plan.limits.coverage;
    const limits = { gpuIndices, coverage, stopAfter: until, ...(datasets && { datasets }) };
    await launchTrainer(settings, job, trainerArguments(input, job.config), limits);
  }
  try {
    const end = await superviseTrainer({ ...rank, ...settings, report: heartbeat.show });
    return await conclude(rank, end);
  } catch (error) {
    // Refused by S3: a newer attempt owns the stage, and this trainer only wastes power.
    if (error instanceof ApplicationFailure && error.type === 'Superseded') await endTrainer(job);
    throw error;
  }
}

/** Attempts of this stage are known by their folders, and by their processes where a tidier of old files was there. */
async function endOlderAttempts({ job, settings: { scratch } }: Rank): Promise<void> {
  const { run, stage, token } = job.identity;
  const living = await livingTrainers();
  const jobs = (await listJobs(scratch, { run, stage })).map(({ identity }) => identity);
  const lost = [...living.keys()].flatMap((folder) => keyOf(scratch, folder) ?? []);
  const others = [...jobs, ...lost.filter((key) => key.run === run && key.stage === stage)];
  if (others.some((other) => other.token > token)) {
    const newest = Math.max(...others.map((other) => other.token));
    throw fail('Superseded', `attempt ${newest} of this stage has come to this host since`);
  }
  for (const folder of living.keys()) {
    const isOlder = others.some((other) => other.token < token && folderOf(scratch, other) === folder);
    if (isOlder) await endTrainer({ folder });
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
    overrides: mergeSettings(mergeSettings(plan.overrides, savePeriodOverride(input)), testOverride(plan)),
    outputDir: job.output,
    // With --resume the checkpoint is loaded instead; the setting must not name another stage's file all the same.
    weights: weights ?? join(job.output, resumeFrom?.name ?? ''),
  });
  await writeDeclaredDatasets(job, plan);
  await writeFileAtomically(job.config, config);
  heartbeat.phase('starting');
}

/** detectron2 evaluates at the end of each training, whatever EVAL_PERIOD is, but where there is nothing to evaluate on. */
function testOverride({ evaluatedAfter }: StagePlan): Overrides {
  return evaluatedAfter === true ? { DATASETS: { TEST: [] } } : {};
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
