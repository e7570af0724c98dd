/** @module Names of the checkpoint files that detectron2 writes. */
import { DEFAULT_RETENTION, isMilestone } from '../../../contracts/checkpoints.ts';

export const FINAL = 'model_final.pth';

/** Whether retention keeps the checkpoint for ever. */
export function isKept(name: string, retention = DEFAULT_RETENTION): boolean {
  const iterations = iterationsOf(name);
  return iterations !== undefined && isMilestone(retention, iterations);
}

/** 50 for `model_0000049.pth`; undefined for the final one and for all other files. */
export function iterationsOf(name: string): number | undefined {
  const number = /^model_(\d{7,})\.pth$/.exec(name)?.[1];
  return number === undefined ? undefined : Number(number) + 1;
}
