/** @module What a play is: a path through the workflows in a lab, which says what it leaves to be recorded. */
import type { Lab } from '../support/lab.ts';
import type { Scenario } from './scenarios.ts';

export interface Execution {
  readonly workflowId: string;
  readonly runId: string;
}

export type Play = (
  lab: Lab,
  name: string,
) => Promise<Readonly<Partial<Record<Scenario, Execution | undefined>>>>;

export function executionOf(handle: {
  readonly workflowId: string;
  readonly firstExecutionRunId: string;
}): Execution {
  return { workflowId: handle.workflowId, runId: handle.firstExecutionRunId };
}
