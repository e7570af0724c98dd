/** @module Overlap policies by the names that the SDK has for them. */
import { ScheduleOverlapPolicy } from '@temporalio/client';
import type { OverlapPolicy } from '../../planning/schedules/schedule-times.ts';

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
