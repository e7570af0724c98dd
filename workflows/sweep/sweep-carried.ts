/** @module What a sweep is given by the execution before it, as anyone may have sent it. */
import { parseCarriedSweep, type CarriedSweep } from '../../contracts/sweep-packing.ts';
import { invalid } from '../base/errors.ts';

/** Undefined at the start of a sweep. @throws InvalidConfig, so that a bad one fails and is not retried for ever. */
export function checkCarried(given: unknown): CarriedSweep | undefined {
  if (typeof given !== 'object' || given === null || !('carried' in given)) return undefined;
  const { carried } = given;
  if (carried === undefined) return undefined;
  const parsed = parseCarriedSweep(carried);
  if (parsed.ok) return parsed.value;
  throw invalid(`input.carried is only for a sweep that continues as new, and is invalid: ${parsed.problem}`);
}
