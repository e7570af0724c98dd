/** @module Texts in configs: bounded, and without what would break a line, an S3 key, a path or a screen. */
import { z } from 'zod';

const PRINTABLE = /^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]*$/;

/** @param most Characters. */
export function text(most: number) {
  return z
    .string()
    .min(1)
    .max(most, `must have at most ${most} characters`)
    .regex(PRINTABLE, 'has control characters: remove them');
}

/** A name that may come into a Python list, a key or a line of a table: of a data set, as DATASETS.TEST has it. */
export const datasetName = z
  .string()
  .regex(/^[\w.+-]{1,200}$/, 'is not a name of a data set: letters, digits and _ . + - only');
