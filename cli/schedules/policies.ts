/** @module Overlap policies by the names that the SDK has for them. */
import { ScheduleOverlapPolicy } from '@temporalio/client';
import { alternatives } from '../../planning/reading/problems.ts';
import { OVERLAP_POLICIES, policyOf, type OverlapPolicy } from '../../planning/schedules/schedule-times.ts';
import { UserError } from '../shared/errors.ts';

const SDK_NAMES = {
  skip: ScheduleOverlapPolicy.SKIP,
  'buffer-one': ScheduleOverlapPolicy.BUFFER_ONE,
  'buffer-all': ScheduleOverlapPolicy.BUFFER_ALL,
  'cancel-other': ScheduleOverlapPolicy.CANCEL_OTHER,
  'terminate-other': ScheduleOverlapPolicy.TERMINATE_OTHER,
  'allow-all': ScheduleOverlapPolicy.ALLOW_ALL,
} as const satisfies Readonly<Record<OverlapPolicy, ScheduleOverlapPolicy>>;

export function sdkName(policy: OverlapPolicy): ScheduleOverlapPolicy {
  return SDK_NAMES[policy];
}

/** @throws UserError for another word. */
export function knownPolicy(text: string): OverlapPolicy {
  const policy = policyOf(text);
  if (policy !== undefined) return policy;
  throw new UserError(`--overlap '${text}' is none: say ${alternatives(OVERLAP_POLICIES)}`);
}
