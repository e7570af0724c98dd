/** @module `glee sweep add`: one trial more for a sweep that runs. */
import { WorkflowNotFoundError } from '@temporalio/client';
import { finder } from '../../activities/checkpoints/start-from.ts';
import type { Bucket } from '../../activities/storage/bucket.ts';
import { configValue } from '../../activities/storage/schemas.ts';
import { readSweepPlan } from '../../activities/plans/sweep-objects.ts';
import { parseFineTuneConfig } from '../../planning/load-config.ts';
import { trialConfig } from '../../planning/sweeps/resolve-sweep.ts';
import { expandSweep, followedRun, trialOf, trialSettings } from '../../planning/sweeps/sweep-space.ts';
import { startOf } from '../../planning/sweeps/sweep-starts.ts';
import { noFinalWeights } from '../../planning/resolve-weights.ts';
import { parseYamlFile } from '../../planning/reading/yaml-source.ts';
import { runIdProblem, trialRunId } from '../../contracts/ids.ts';
import type { SweepPlan, SweepState, Trial, TrialParameters } from '../../contracts/sweep.ts';
import { addTrialUpdate } from '../../workflows/base/messages.ts';
import { refusalOf, withClient } from '../shared/client.ts';
import { UserError } from '../shared/errors.ts';
import { print, type OutputOptions } from '../shared/output.ts';
import { withBucket } from '../shared/open-bucket.ts';
import { renderAnswer } from './order-trial.ts';
import { stateOf } from './status.ts';

export interface AddOptions extends OutputOptions {
  /** `key=value`, each. */
  readonly set: readonly string[];
  readonly seed: number;
}

export async function addTrial(sweep: string, { set, seed, ...options }: AddOptions): Promise<void> {
  await withBucket(async (bucket, signal) => {
    const plan = await readSweepPlan(bucket.store, sweep, signal);
    const parameters = await settled(plan, set.map(assignment), bucket, signal);
    const trial = trialOf(plan, parameters, seed);
    const problem = runIdProblem(trialRunId(sweep, trial.id));
    if (problem !== undefined) throw new UserError(problem);
    const { config, settings } = trialConfig(plan, trial);
    // What a checkout is needed for, the trial says itself.
    parseFineTuneConfig(config, settings);
    const answer = await send(sweep, plan, trial);
    print({ sweep, trial, answer }, options, renderAnswer);
  });
}

async function send(sweep: string, plan: SweepPlan, trial: Trial): Promise<string> {
  return withClient(async (client) => {
    const twin = twinOf(plan, await stateOf(client, sweep), trial);
    if (twin !== undefined) throw new UserError(`${sweep}: trial '${twin}' is the same`);
    try {
      return await client.workflow.getHandle(sweep).executeUpdate(addTrialUpdate, { args: [trial] });
    } catch (error) {
      if (error instanceof WorkflowNotFoundError)
        throw new UserError(`sweep '${sweep}' does not run any more`);
      const refusal = refusalOf(error);
      if (refusal !== undefined) throw new UserError(`${sweep}: ${refusal}`);
      throw error;
    }
  });
}

function twinOf(plan: SweepPlan, { added }: SweepState, { inputs }: Trial): string | undefined {
  return [...expandSweep(plan).trials(), ...added].find((one) => one.inputs === inputs)?.id;
}

/** `overrides.SOLVER.BASE_LR=0.001`; the value as in a config's YAML. */
function assignment(text: string): TrialParameters {
  const [, key, value] = /^([\w.-]+)=([^]+)$/.exec(text) ?? [];
  if (key === undefined || value === undefined)
    throw new UserError(`--set '${text}' is none: write key=value, as overrides.SOLVER.BASE_LR=0.001`);
  if (key.endsWith('SEED'))
    throw new UserError('--set SEED: give it as --seed, so that repeats are known as such');
  return { [key]: configValue.parse(parseYamlFile(`--set ${key}`, value)) };
}

/** With the newest final weights of a run as they are now, where the trial is to begin from those of another than the rest. */
async function settled(
  plan: SweepPlan,
  assignments: readonly TrialParameters[],
  bucket: Bucket,
  signal: AbortSignal,
): Promise<TrialParameters> {
  const parameters = assignments.reduce<TrialParameters>((all, one) => ({ ...all, ...one }), {});
  const run = followedRun(trialSettings(plan, parameters).weights);
  if (run === undefined) return parameters;
  const start = await startOf(run, finder(bucket, signal));
  if (start === undefined) throw new UserError(noFinalWeights(run));
  return { ...parameters, weights: { from: start.from } };
}
