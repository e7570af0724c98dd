/**
 * @module Errors as the command line tells them.
 */

/** An error that a person can act on: printed without a stack, exit status 1. */
export class UserError extends Error {
  override readonly name = 'UserError';
}

/** The first line of an error's message: the rest is for --debug. An error of several, as of two addresses, has none. */
export function oneLine(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return error.errors.map(oneLine).join('; ');
  return firstLine(error instanceof Error ? error.message || error.name : String(error));
}

export function firstLine(text: string): string {
  return text.split('\n')[0] ?? '';
}
