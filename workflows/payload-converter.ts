/**
 * @module Reads what comes to workflows. A payload that cannot be read becomes a text that says so, which no reader of
 * messages and inputs lets through: thrown, it would have the workflow task retried for ever.
 */
import { defaultPayloadConverter, type PayloadConverter } from '@temporalio/common';
import { clipText } from '../contracts/text-bytes.ts';
import { messageOf } from '../contracts/error-message.ts';

const LONGEST_PROBLEM_BYTES = 200;

/** The name under which the SDK looks for it. */
export const payloadConverter: PayloadConverter = {
  toPayload: (value, context) => defaultPayloadConverter.toPayload(value, context),
  fromPayload: (payload, context) => {
    // What activities answer comes from our own workers: the task waits for one that can read it.
    if (context?.type === 'activity') return defaultPayloadConverter.fromPayload(payload, context);
    try {
      return defaultPayloadConverter.fromPayload(payload, context);
    } catch (error) {
      return defaultPayloadConverter.fromPayload(defaultPayloadConverter.toPayload(unreadable(error)));
    }
  },
};

function unreadable(error: unknown): string {
  const problem = messageOf(error);
  return `a payload that cannot be read: ${clipText(problem, LONGEST_PROBLEM_BYTES)}`;
}
