/** @module Inputs of workflows, as anyone may have sent them. */
import { ApplicationFailure } from '@temporalio/workflow';
import { parse, type Reader } from '../../contracts/parsing.ts';

/** Of an input: anything but an ApplicationFailure thrown at a workflow's entry would be retried for ever and look like a hang. */
export function invalid(message: string): ApplicationFailure {
  return ApplicationFailure.create({ type: 'InvalidConfig', message, nonRetryable: true });
}

/**
 * The input, once `read` has found in it what its type declares.
 * @throws InvalidConfig, which fails the workflow instead of its task.
 */
export function checkedInput<T>(read: Reader<unknown>, input: T | undefined): T {
  const parsed = parse(read, input, 'input');
  if (!parsed.ok) throw invalid(parsed.problem);
  if (input === undefined) throw invalid('input is missing');
  return input;
}
