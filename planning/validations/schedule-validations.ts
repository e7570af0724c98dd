/** @module A batch that the GPUs can't share, and iterations, checkpoints and steps that don't fit each other. */
import type { Problem } from '../../contracts/plan.ts';
import { settingProblem, type StageUnderCheck } from './setting-places.ts';
import { isList, settingAt, type Settings } from '../reading/nested-settings.ts';

/** detectron2's defaults, where neither GLEE's config nor the overrides set the key. */
const DEFAULTS: ReadonlyMap<string, number> = new Map([
  ['SOLVER.MAX_ITER', 40_000],
  ['SOLVER.CHECKPOINT_PERIOD', 5_000],
  ['SOLVER.IMS_PER_BATCH', 16],
]);

/** A number among the settings, or detectron2's default for it; NaN where something else stands there. */
export function numberAt(settings: Settings, key: string): number {
  const value = settingAt(settings, key) ?? DEFAULTS.get(key);
  return typeof value === 'number' ? value : Number.NaN;
}

/** `_compute_num_images_per_worker` and the multi-dataset loader assert that the batch divides by the world size. */
export function batchProblems({ settings, gang, places }: StageUnderCheck): Problem[] {
  const key = 'SOLVER.IMS_PER_BATCH';
  const batch = numberAt(settings, key);
  const gpus = gang.hosts * gang.gpusPerHost;
  if (batch > 0 && batch % gpus === 0) return [];
  const shown = Number.isNaN(batch) ? 'is no number' : `is ${batch}`;
  const next = Math.max(1, Math.ceil((batch || 1) / gpus)) * gpus;
  const smaller = next - gpus > 0 ? `${next - gpus}, ` : '';
  return [
    settingProblem(places, {
      level: 'error',
      key,
      message:
        `${shown}, and GLEE asserts that it divides by the number of GPUs: ${gang.hosts} hosts × ` +
        `${gang.gpusPerHost} = ${gpus}${realBatch(settings, gpus)}`,
      change: `to a multiple of ${gpus}: ${smaller}${next} or ${next + gpus}`,
    }),
  ];
}

function realBatch(settings: Settings, gpus: number): string {
  const sizes = settingAt(settings, 'DATALOADER.DATASET_BS');
  if (settingAt(settings, 'DATALOADER.USE_DIFF_BS_SIZE') !== true || !isList(sizes)) return '';
  const images = sizes.filter((size) => typeof size === 'number').map((size) => size * gpus);
  if (images.length === 0) return '';
  const [least, most] = [Math.min(...images), Math.max(...images)];
  const range = least === most ? String(least) : `${least} to ${most}`;
  return ` (the value is otherwise unused: with USE_DIFF_BS_SIZE the real batch is DATASET_BS × GPUs = ${range})`;
}

export function scheduleProblems({ settings, places }: StageUnderCheck): Problem[] {
  const last = numberAt(settings, 'SOLVER.MAX_ITER');
  if (!(Number.isInteger(last) && last >= 1)) {
    const message = 'there is nothing to train: the number of iterations must be 1 or more';
    return [
      settingProblem(places, { level: 'error', key: 'SOLVER.MAX_ITER', message, change: 'to 1 or more' }),
    ];
  }
  const problems: Problem[] = [];
  const period = numberAt(settings, 'SOLVER.CHECKPOINT_PERIOD');
  if (!(Number.isInteger(period) && period >= 1 && period <= last)) {
    const message = `a checkpoint every ${period} iterations, but training ends after ${last}: nothing would be saved before the end`;
    const change = `to at most ${last}`;
    problems.push(
      settingProblem(places, { level: 'error', key: 'SOLVER.CHECKPOINT_PERIOD', message, change }),
    );
  }
  const steps = learningRateSteps(settings);
  const beyond = steps.filter((step) => step > last);
  if (beyond.length > 0) {
    const message = `the learning rate is to drop at ${beyond.join(', ')}, but training ends after ${last}: detectron2 leaves such steps out`;
    const change = `to iterations below ${last}`;
    problems.push(settingProblem(places, { level: 'warning', key: 'SOLVER.STEPS', message, change }));
  }
  // fvcore 0.1.5's param_scheduler, by way of detectron2's solver/build.py, which leaves out larger ones alone.
  if (steps.includes(last)) {
    const message = `the learning rate is to drop at ${last}, where training ends: the trainer refuses that when it starts`;
    const change = `to iterations below ${last}`;
    problems.push(settingProblem(places, { level: 'error', key: 'SOLVER.STEPS', message, change }));
  }
  return problems;
}

/** After how many iterations the learning rate drops. */
export function learningRateSteps(settings: Settings): readonly number[] {
  const steps = settingAt(settings, 'SOLVER.STEPS');
  return isList(steps) ? steps.filter((step) => typeof step === 'number') : [];
}
