/**
 * @module What Temporal's Describe says of a workflow's running activities: live progress that costs no history, and
 * what is being retried.
 */
import { WorkflowNotFoundError, type WorkflowExecutionDescription } from '@temporalio/client';
import { defaultPayloadConverter } from '@temporalio/common';
import type { z } from 'zod';

/** The newest heartbeat of each running activity, as far as it is what is looked for. */
export function heartbeats<T>({ raw }: WorkflowExecutionDescription, schema: z.ZodType<T>): T[] {
  return (raw.pendingActivities ?? [])
    .flatMap(({ heartbeatDetails }) => heartbeatDetails?.payloads?.slice(0, 1) ?? [])
    .flatMap((payload) => {
      const parsed = schema.safeParse(defaultPayloadConverter.fromPayload<unknown>(payload));
      return parsed.success ? [parsed.data] : [];
    });
}

/** What Temporal is retrying right now, and why: 'resolvePlan, attempt 3: …'. */
export function pendingTroubles({ raw }: WorkflowExecutionDescription): string[] {
  return (raw.pendingActivities ?? []).flatMap(({ activityType, attempt, lastFailure }) => {
    if (!lastFailure?.message) return [];
    return [`${activityType?.name ?? 'activity'}, attempt ${String(attempt)}: ${lastFailure.message}`];
  });
}

export async function unlessMissing<T>(promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}
