/** @module The configs of a storm: small work of each kind that asks one pool for more than it has. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Time-outs of seconds, and budgets that no storm spends: what a run ends with is then its bytes, or a fault of ours. */
const LIMITS = `limits:
  heartbeatTimeout: 4s
  hostTimeout: 8s
  stallTimeout: 20s
  attemptsWithoutProgress: 1000
  budgets: { trainer: 1000, hang: 1000, host: 1000, divergence: 1000, checkpoint: 1000 }
`;

const joint = (secondsPerIteration: number, stage1: number) => `variant: Lite
gang: { hosts: 2, gpusPerHost: 1 }
${LIMITS}overrides:
  SOLVER: { MAX_ITER: 160, CHECKPOINT_PERIOD: 20, STEPS: [120] }
  SANDBOX: { SECONDS_PER_ITERATION: ${secondsPerIteration}, METRICS_PERIOD: 1 }
stages:
  stage1:
    overrides:
      SANDBOX: { SECONDS_PER_ITERATION: ${stage1} }
  stage2:
    overrides:
      DATASETS: { TRAIN: [coco_2017_train, lvis_v1_train] }
      DATALOADER:
        { DATASET_RATIO: [1.0, 1.0], DATASET_BS: [2, 2], USE_RFS: [false, false], DATASET_ANN: [box, box] }
`;

const tune = (secondsPerIteration: number) => `task: odinw/Rabbits
variant: Lite
gang: { hosts: 1, gpusPerHost: 2 }
${LIMITS}evaluation: { checkpoints: [40, 80, 120] }
overrides:
  SOLVER: { MAX_ITER: 120, BASE_LR: 0.05, CHECKPOINT_PERIOD: 40, STEPS: [80] }
  SANDBOX: { SECONDS_PER_ITERATION: ${secondsPerIteration}, METRICS_PERIOD: 1 }
`;

const trial = (secondsPerIteration: number) => `task: odinw/Raccoon
variant: Lite
gang: { hosts: 1, gpusPerHost: 1 }
${LIMITS}overrides:
  SOLVER: { MAX_ITER: 60, BASE_LR: 0.05, CHECKPOINT_PERIOD: 30, STEPS: [50] }
  SANDBOX: { SECONDS_PER_ITERATION: ${secondsPerIteration}, METRICS_PERIOD: 1 }
`;

const sweep = (base: string) => `base: finetune/${base}
grid:
  overrides.SOLVER.BASE_LR: [0.05, 0.0005, 0.0001]
metric: { name: bbox/AP50 }
concurrency: 2
earlyStopping:
  asha: { rungs: [30], reductionFactor: 3 }
`;

/**
 * Seconds per iteration. What the same work ends with does not depend on them: the undisturbed one need not take long. In
 * a storm, stage1 and the fine-tune outlast the loss of a host, so that an attempt can train beside a newer one.
 */
const PACES = {
  calm: { stage1: 0.001, finetune: 0.001, other: 0.001 },
  storm: { stage1: 0.24, finetune: 0.15, other: 0.04 },
} as const;
export type Weather = keyof typeof PACES;

export const KINDS_OF_WORK = ['joint', 'finetune', 'sweeps'] as const;
export type KindOfWork = (typeof KINDS_OF_WORK)[number];

/** Writes them below the folder, as `joint/storm.yaml`, and the pool's own file. */
export async function writeConfigs(folder: string): Promise<void> {
  const files: [string, string][] = [
    // No host is set aside for what a storm does to it.
    ['pools/default.yaml', 'heartbeatTimeout: 8s\nstrikes: 1000\n'],
    ...(['calm', 'storm'] as const).flatMap((weather): [string, string][] => [
      [`joint/${weather}.yaml`, joint(PACES[weather].other, PACES[weather].stage1)],
      [`finetune/${weather}.yaml`, tune(PACES[weather].finetune)],
      [`finetune/${weather}-trial.yaml`, trial(PACES[weather].other)],
      [`sweeps/${weather}.yaml`, sweep(`${weather}-trial`)],
    ]),
  ];
  for (const [name, text] of files) {
    await mkdir(join(folder, name, '..'), { recursive: true });
    await writeFile(join(folder, name), text);
  }
}
