/**
 * @module Errors as the command line tells them.
 */

/** An error that a person can act on: printed without a stack, exit status 1. */
export class UserError extends Error {
  override readonly name = 'UserError';
}

/** The first line of an error's message: the rest is for --debug. */
export function oneLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0] ?? '';
}
