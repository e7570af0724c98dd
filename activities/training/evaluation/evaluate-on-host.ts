/**
 * @module One evaluation on one host: GLEE's own `--eval-only`, started or adopted, its figures read from its log and
 * kept in S3. As with a training, the trainer belongs to the job folder and outlives the worker.
 */
import { CancelledFailure, Context, log } from '@temporalio/activity';
import getPort from 'get-port';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { writeGleeYaml } from '../../../planning/glee/write-glee-yaml.ts';
import { mergeSettings } from '../../../planning/reading/nested-settings.ts';
import type { EvaluateOnHostInput, EvaluationResult, Metric } from '../../../contracts/evaluation.ts';
import type { FailureDetails } from '../../../contracts/failures.ts';
import { keys } from '../../../contracts/ids.ts';
import type { Progress } from '../../../contracts/training.ts';
import { fail } from '../../support/failures.ts';
import { writeFileAtomically } from '../../files/atomic-files.ts';
import { within } from '../../support/time-limit.ts';
import { classifyExit } from '../crashes/classify.ts';
import { failureText } from '../disk-watch.ts';
import { writeDeclaredDatasets } from '../progress/declared-datasets.ts';
import { whenDiskIsFull } from '../full-disk.ts';
import { holdJob } from '../hold-job.ts';
import { placeWeights } from '../files/host-weights.ts';
import { readExit, readTrainer, writeJobFile, type Job, type TrainerExit } from '../jobs/job.ts';
import { evaluatorArguments, isThere, launchTrainer } from '../launch.ts';
import { lastLine, readTail } from '../progress/metrics.ts';
import { endTrainer } from '../jobs/processes.ts';
import { isGone } from '../supervise.ts';
import type { TrainingDependencies } from '../rank.ts';
import { evaluationName } from './evaluation-name.ts';
import { keepEvaluationFiles } from './evaluation-files.ts';
import { readEvaluation } from './parse-evaluation.ts';

/** Its processes and its log are looked at: an evaluation takes minutes, and what a look costs is its own. */
const LOOK_MS = 500;
const HEARTBEAT_MS = 1000;
const LOG_TAIL_BYTES = 64 << 10;
const LOG_UPLOAD_MS = 10_000;

/** Stands for the stage in the job's key. */
export const EVALUATION_JOB = 'evaluate';

interface Evaluation extends TrainingDependencies {
  readonly input: EvaluateOnHostInput;
  readonly job: Job;
  readonly signal: AbortSignal;
}

export function evaluateOnHost(
  dependencies: TrainingDependencies,
  input: EvaluateOnHostInput,
): Promise<EvaluationResult> {
  const context = Context.current();
  const { task, token, requestId, gpuIndices } = input;
  const lease = { ...(requestId !== undefined && { requestId }), ...(gpuIndices && { gpuIndices }) };
  const identity = { run: task.run, stage: EVALUATION_JOB, token, ...lease };
  const hold = () =>
    holdJob(dependencies, identity, 'evaluation', (job, signal) => {
      const tell = async () => {
        const trainer = await readTrainer(job);
        context.heartbeat(progress(input, dependencies.settings.host, trainer?.pid));
      };
      const beat = setInterval(() => void tell(), HEARTBEAT_MS);
      return {
        work: () => evaluate({ ...dependencies, input, job, signal }),
        endAsAsked: async () => {
          await endTrainer(job);
          throw new CancelledFailure('the evaluation was ended as asked');
        },
        stop: () => clearInterval(beat),
      };
    });
  return whenDiskIsFull(dependencies, identity, hold);
}

function progress({ task, attempt }: EvaluateOnHostInput, host: string, pid: number | undefined): Progress {
  const { maxIterations } = task.plan;
  return {
    host,
    machineRank: 0,
    attempt,
    phase: 'evaluating',
    maxIterations,
    ...(pid !== undefined && { pid }),
  };
}

async function evaluate(evaluation: Evaluation): Promise<EvaluationResult> {
  const { store, settings, input, job, signal } = evaluation;
  const { task } = input;
  if (!(await isThere(job))) await launch(evaluation);
  const exit = await untilEnd(evaluation);
  const tail = await readTail(job.log, LOG_TAIL_BYTES);
  const kept = `${keys.attempt(task.run, EVALUATION_JOB, input.token)}/${settings.host}.log`;
  const upload = (either: AbortSignal) => store.upload(kept, job.log, either);
  await within(LOG_UPLOAD_MS, signal, upload).catch((error: unknown) => {
    log.warn('the log did not reach S3', { kept, error: String(error) });
  });
  const facts = { host: settings.host, at: exit?.at ?? Date.now(), log: store.keyOf(kept) };
  if (exit?.code !== 0) {
    const named = classifyExit(exit, tail);
    throw fail(named.type, await failureText(settings.scratch, named), { ...facts, line: named.line });
  }
  const metrics = await readMetrics(evaluation, facts);
  const files = await keepEvaluationFiles(store, task, job.output, signal);
  const { checkpoint, iterations, inputs } = task;
  const { sha256 } = task.weights;
  const result: EvaluationResult = { checkpoint, sha256, iterations, inputs, metrics, files };
  const name = keys.evaluation(task.run, task.stage, evaluationName(task));
  await store.writeText(name, JSON.stringify(result, undefined, 2), undefined, signal);
  return result;
}

/** @throws TrainerCrashed where a data set has neither metrics nor the evaluator's word that it computes none. */
async function readMetrics(
  { input, job, signal }: Evaluation,
  facts: FailureDetails,
): Promise<readonly Metric[]> {
  const { metrics, evaluated } = await readEvaluation(job.log, signal);
  const lacking = input.task.datasets.filter((dataset) => !evaluated.includes(dataset));
  if (lacking.length === 0) return metrics;
  const message = `the evaluation ended with status 0, but its log has no results of ${lacking.join(', ')}: see ${facts.log ?? job.log}`;
  throw fail('TrainerCrashed', message, facts);
}

async function launch({ store, settings, input, job, signal }: Evaluation): Promise<void> {
  const { plan, weights, datasets } = input.task;
  await writeJobFile(job, 'weights.json', [weights.sha256]);
  const path = await placeWeights({ ...settings, store }, { kind: 'artifact', artifact: weights }, signal);
  const config = writeGleeYaml({
    base: join(settings.checkout, plan.configFile),
    overrides: mergeSettings(plan.overrides, { DATASETS: { TEST: [...datasets] } }),
    outputDir: job.output,
    weights: path,
  });
  await writeFileAtomically(job.config, config);
  await writeDeclaredDatasets(job, plan);
  const argv = evaluatorArguments({ gpus: plan.gang.gpusPerHost, port: await getPort(), config: job.config });
  const { gpuIndices } = input;
  const declared = plan.datasets && { datasets: plan.datasets };
  await launchTrainer(settings, job, argv, { gpuIndices, ...declared });
}

/** @throws Hang when its log says nothing for as long as a stage may be silent. */
async function untilEnd({ input, job, signal }: Evaluation): Promise<TrainerExit | undefined> {
  const { stallTimeoutMs } = input.task.plan.limits;
  for (let [said, saidAt] = ['', Date.now()]; ;) {
    const exit = await readExit(job);
    if (exit !== undefined) return exit;
    if (await isGone(job, signal)) return readExit(job);
    const tail = await readTail(job.log);
    if (tail !== said) [said, saidAt] = [tail, Date.now()];
    if (Date.now() - saidAt > stallTimeoutMs) {
      await endTrainer(job);
      const line = lastLine(said);
      const message = `the evaluation said nothing for ${stallTimeoutMs / 1000} s; its last line: ${line}`;
      throw fail('Hang', message, { line });
    }
    await delay(LOOK_MS, undefined, { signal });
  }
}
