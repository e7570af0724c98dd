/** @module How two plans differ, where it matters for the training: a run id stands for one plan. */
import type { Plan, StagePlan, WeightsSource } from '../contracts/plan.ts';
import { leavesOf, type Settings } from './reading/nested-settings.ts';
import { canonicalJson, isSteering } from './inputs-checksum.ts';

/**
 * One line a difference, as `stages.stage2.overrides.SOLVER.IMS_PER_BATCH: 64 → 128`.
 * Limits, pool, warnings and settings that only steer may differ: they change nothing that is trained.
 */
export function planDifferences(before: Plan, after: Plan): string[] {
  const old = new Map(before.stages.map((stage) => [stage.stage, stage]));
  const now = new Map(after.stages.map((stage) => [stage.stage, stage]));
  const stages = [...new Set([...old.keys(), ...now.keys()])].sort();
  const between = stages.flatMap((stage) => {
    const [from, to] = [old.get(stage), now.get(stage)];
    if (from !== undefined && to !== undefined) return settingDifferences(`stages.${stage}`, from, to);
    return [`stages.${stage}: ${from === undefined ? 'not trained → trained' : 'trained → not trained'}`];
  });
  const variant = before.variant === after.variant ? [] : [`variant: ${before.variant} → ${after.variant}`];
  return [...variant, ...between];
}

function settingDifferences(prefix: string, before: StagePlan, after: StagePlan): string[] {
  const [old, now] = [leafTexts(trained(before)), leafTexts(trained(after))];
  const differences = [...new Set([...old.keys(), ...now.keys()])].flatMap((key) => {
    const [from, to] = [old.get(key) ?? '(none)', now.get(key) ?? '(none)'];
    return from === to || isSteering(key.replace(/^overrides\./, ''))
      ? []
      : [`${prefix}.${key}: ${from} → ${to}`];
  });
  if (differences.length > 0 || before.settingsSha256 === after.settingsSha256) return differences;
  return [`${prefix}.configFile: ${after.configFile} or its _BASE_ was changed in the checkout`];
}

/** All of a stage that decides what is trained. */
function trained({ configFile, weights, overrides, gang, datasets = [] }: StagePlan): Settings {
  const { hosts, gpusPerHost } = gang;
  const declared = Object.fromEntries(datasets.map((dataset) => [dataset.name, canonicalJson(dataset)]));
  return {
    configFile,
    weights: weightsText(weights),
    overrides,
    gang: { hosts, gpusPerHost },
    datasets: declared,
  };
}

function leafTexts(settings: Settings): ReadonlyMap<string, string> {
  const texts = leavesOf(settings).map(({ path, value }) => {
    return [path.join('.'), typeof value === 'string' ? value : canonicalJson(value)] as const;
  });
  return new Map(texts);
}

function weightsText(weights: WeightsSource): string {
  switch (weights.kind) {
    case 'stage':
      return `from ${weights.stage}`;
    case 'checkout':
      return `${weights.path} (sha256 ${weights.sha256})`;
    case 'artifact':
      return `${weights.artifact.name} (sha256 ${weights.artifact.sha256})`;
    case 'prepared':
      return `the catalogue's ${weights.artifact}`;
  }
}
