/** @module A plan as it is frozen in S3: a text that reads back as the very plan. */
import type { z } from 'zod';
import { canonicalJson } from '../../planning/inputs-checksum.ts';
import { fail } from '../support/failures.ts';
import { parseObject } from '../storage/schemas.ts';
import { messageOf } from '../../contracts/error-message.ts';

/** A plan is the result of an activity too, and Temporal refuses results of 2 MB. */
const LARGEST_PLAN_BYTES = 1_500_000;

/**
 * The text to write.
 *
 * @throws ApplicationFailure InvalidConfig where it could not be read back: whoever starts the run again would be stuck.
 */
export function planText<T>(plan: T, schema: z.ZodType<T>, name: string): string {
  const text = JSON.stringify(plan, finite, 2);
  const sizeBytes = Buffer.byteLength(text);
  if (sizeBytes > LARGEST_PLAN_BYTES)
    throw refused(
      name,
      `it has ${sizeBytes} bytes, and ${LARGEST_PLAN_BYTES} are allowed: shorten the lists of the config`,
    );
  let read: T;
  try {
    read = parseObject(text, schema, name);
  } catch (error) {
    throw refused(name, messageOf(error));
  }
  if (canonicalJson(read) !== canonicalJson(plan))
    throw refused(name, 'it would be read back as another plan');
  return text;
}

function finite(key: string, value: unknown): unknown {
  if (typeof value !== 'number' || Number.isFinite(value)) return value;
  throw refused(key, `${value} is no number that JSON has`);
}

function refused(name: string, why: string): Error {
  return fail('InvalidConfig', `${name} is not written: ${why}`);
}
