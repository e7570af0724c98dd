/**
 * @module The settings that a fine-tune on images has by default: GLEE has no config for one.
 *
 * The base is the variant's Stage 2 config. The zoo's joint and scaleup weights, and those of a run's Stage 2 and 3, were
 * trained with its architecture, text encoder and input sizes; Stage 1's has another text encoder, and the `base_…` files are
 * Lite's alone and read one data set by a loader that knows no batch size of its own. Length and learning rate follow the
 * size of the data set, in the range of GLEE's own video fine-tunes (8,000 to 18,000 iterations at 1e-4, batches of 8 or 16).
 */
import type { Gang, Overrides } from '../contracts/plan.ts';

export interface ScheduleInput {
  readonly train: string;
  readonly test: readonly string[];
  readonly gang: Gang;
  /** Images to train on, about; undefined where no one has said. */
  readonly images: number | undefined;
  readonly fewShot: boolean;
  /** SOLVER.MAX_ITER where the user gives it: the rest follows. */
  readonly iterations: number | undefined;
  /** SOLVER.CHECKPOINT_PERIOD where the user gives it. */
  readonly period: number | undefined;
  /** Checkpoints besides the final one are evaluated after the training: then not in it as well. */
  readonly evaluatedAfter: boolean;
}

/** Of each GPU. */
const BATCH = 2;
/** How often each image is seen. */
const PASSES = 24;
const [FEWEST, MOST, UNKNOWN] = [300, 20_000, 4000];
/** Below so many images a model forgets more than it learns at the full rate. */
const SMALL = 500;

/** DATASETS and all that goes with it by position, and the solver's settings. */
export function imageSchedule(input: ScheduleInput): Overrides {
  const { train, test, gang, images, fewShot } = input;
  const batch = BATCH * gang.hosts * gang.gpusPerHost;
  const iterations = input.iterations ?? lengthFor(images, batch);
  const quarter = Math.max(1, upTo(iterations / 4, iterations >= 200 ? 50 : 1));
  const period = input.period ?? Math.min(iterations, quarter);
  const small = fewShot || (images !== undefined && images < SMALL);
  return {
    DATASETS: { TRAIN: [train], TEST: test },
    DATALOADER: { DATASET_RATIO: [1], DATASET_BS: [BATCH], USE_RFS: [false], DATASET_ANN: ['box'] },
    SOLVER: {
      IMS_PER_BATCH: batch,
      BASE_LR: small ? 0.00005 : 0.0001,
      MAX_ITER: iterations,
      STEPS: [Math.max(1, Math.floor(iterations * 0.8))],
      WARMUP_ITERS: Math.min(100, Math.floor(iterations / 10)),
      CHECKPOINT_PERIOD: period,
    },
    // At each checkpoint, so that metrics.json tells how a training does before it ends; each is evaluated once.
    TEST: { EVAL_PERIOD: input.evaluatedAfter ? 0 : period },
  };
}

function lengthFor(images: number | undefined, batch: number): number {
  if (images === undefined) return UNKNOWN;
  return Math.min(MOST, Math.max(FEWEST, upTo((images * PASSES) / batch, 50)));
}

function upTo(value: number, step: number): number {
  return Math.ceil(value / step) * step;
}
