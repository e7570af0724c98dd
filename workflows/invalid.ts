import { ApplicationFailure } from '@temporalio/workflow';

/** Of an input: anything but an ApplicationFailure thrown at a workflow's entry would be retried for ever and look like a hang. */
export function invalid(message: string): ApplicationFailure {
  return ApplicationFailure.create({ type: 'InvalidConfig', message, nonRetryable: true });
}
