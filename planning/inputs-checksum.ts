/** @module What went into a stage, as one checksum: a stage with the same inputs is done when it was done before. */
import { createHash } from 'node:crypto';
import type { DatasetPlan } from '../contracts/datasets.ts';
import type { StagePlan } from '../contracts/plan.ts';
import type { InitialWeights } from '../contracts/training.ts';
import { leavesOf, type Settings } from './reading/nested-settings.ts';

/** Settings that say when to save, look or load, and where to, but not what is learned: they may change in mid-run. */
const STEERING: ReadonlySet<string> = new Set([
  'SOLVER.CHECKPOINT_PERIOD',
  'TEST.EVAL_PERIOD',
  'DATALOADER.NUM_WORKERS',
  'MODEL.WEIGHTS',
  'OUTPUT_DIR',
]);

export function isSteering(key: string): boolean {
  return STEERING.has(key);
}

/**
 * SHA-256, in hex, over a stage's merged settings without those that only steer.
 * @param declared Data sets that the companion registers: which images of them count as settings do.
 */
export function settingsSha256(settings: Settings, declared: readonly DatasetPlan[] = []): string {
  const decisive = leavesOf(settings).flatMap(({ path, value }) => {
    const key = path.join('.');
    return isSteering(key) ? [] : [[key, value] as const];
  });
  const all = Object.fromEntries(decisive);
  return hash(declared.length === 0 ? all : { ...all, declared });
}

/** SHA-256, in hex, over settings, gang and the checksum of the initial weights. */
export function stageInputs(plan: StagePlan, weights: InitialWeights): string {
  const sha256 = weights.kind === 'artifact' ? weights.artifact.sha256 : weights.sha256;
  return hash({ settings: plan.settingsSha256, gang: plan.gang, weights: sha256 });
}

/** SHA-256, in hex, over what decides the figures of an evaluation. */
export function evaluationInputs(plan: StagePlan, weights: string, datasets: readonly string[]): string {
  return hash({ settings: plan.settingsSha256, weights, datasets });
}

function hash(value: unknown): string {
  return createHash('sha256').update(canonicalJson(value)).digest('hex');
}

/** JSON with the keys of every map in order: equal values give equal texts. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => {
    if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) return inner;
    return Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}
