/** @module Configs resolved on a control worker, with what S3 has; one that will not do is refused. */
import type { PlanSettings } from '../../planning/environment/env.ts';
import { ConfigError } from '../../planning/reading/problems.ts';
import { resolveFineTunePlan } from '../../planning/resolve-fine-tune.ts';
import { resolveJointPlan } from '../../planning/resolve-joint.ts';
import type { Settings } from '../../planning/reading/nested-settings.ts';
import type { FineTunePlan } from '../../contracts/fine-tune.ts';
import type { Plan, Problem } from '../../contracts/plan.ts';
import { finder } from '../checkpoints/start-from.ts';
import type { Bucket } from '../storage/bucket.ts';

export interface AskedFineTune {
  readonly run: string;
  readonly config: string;
  readonly settings?: Settings;
  readonly evaluatesOnly?: boolean;
}

export async function resolveFineTune(
  bucket: Bucket,
  settings: PlanSettings,
  asked: AskedFineTune,
  signal: AbortSignal,
): Promise<FineTunePlan> {
  const findArtifact = finder(bucket, signal);
  const { plan, problems } = await resolveFineTunePlan({ ...settings, ...asked, findArtifact });
  return sound(plan, problems);
}

export async function resolveJoint(
  bucket: Bucket,
  settings: PlanSettings,
  { run, config }: { readonly run: string; readonly config: string },
  signal: AbortSignal,
): Promise<Plan> {
  const { plan, problems } = await resolveJointPlan({
    ...settings,
    run,
    config,
    findArtifact: finder(bucket, signal),
  });
  return sound(plan, problems);
}

export function sound<P>(plan: P | undefined, problems: readonly Problem[]): P {
  const errors = problems.filter(({ level }) => level === 'error');
  if (plan === undefined || errors.length > 0) throw new ConfigError(errors);
  return plan;
}

/** As it is frozen: what a fine-tune trains is a plan with one stage. */
export function asPlan({ run, config, variant, stage, artifacts, warnings }: FineTunePlan): Plan {
  return { run, config, variant, stages: [stage], ...(artifacts && { artifacts }), warnings };
}
