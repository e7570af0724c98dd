/**
 * @module Messages as they come from outside: one that cannot be read is dropped and logged. An error thrown in a handler
 * would have the workflow task retried for ever, and stop the workflow for everyone.
 */
import { log } from '@temporalio/workflow';
import { parse, type Reader } from '../../contracts/parsing.ts';

/** A signal's handler, which gets only what `read` lets through. */
export function taking<T>(
  name: string,
  read: Reader<T>,
  take: (message: T) => void,
): (given: unknown) => void {
  return (given) => {
    const parsed = parse(read, given, name);
    if (parsed.ok) take(parsed.value);
    else log.warn('dropped a signal that cannot be read', { signal: name, problem: parsed.problem });
  };
}
