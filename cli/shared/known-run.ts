/** @module Workflows by their ids, for commands that are about runs of one kind: any id may be typed. */
import type { Client, WorkflowExecutionDescription } from '@temporalio/client';
import { UserError } from './errors.ts';
import { unlessMissing } from './pending.ts';

const KINDS: Readonly<Record<string, { readonly what: string; readonly see: (id: string) => string }>> = {
  jointTraining: { what: 'a joint training', see: (id) => `glee status ${id}` },
  fineTune: { what: 'a fine-tune', see: (id) => `glee status ${id}` },
  fineTuneSweep: { what: 'a sweep', see: (id) => `glee sweep status ${id}` },
  scheduledRun: { what: 'an execution of a schedule', see: () => 'glee schedule list' },
  trainStage: { what: 'a stage', see: (id) => `glee status ${id.split('/')[0] ?? id}` },
  gpuPool: { what: 'a pool', see: (id) => `glee pool show ${id.replace(/^pool\//, '')}` },
};

/** What `glee status`, `pause` and the like are about. */
export const RUNS: readonly string[] = ['jointTraining', 'fineTune'];
export const SWEEPS: readonly string[] = ['fineTuneSweep'];

/** Undefined where there is none. @throws UserError where it is something else, with the command that shows it. */
export async function describeKnown(
  client: Client,
  id: string,
  types: readonly string[],
): Promise<WorkflowExecutionDescription | undefined> {
  const description = await unlessMissing(client.workflow.getHandle(id).describe());
  if (description === undefined || types.includes(description.type)) return description;
  const kind = KINDS[description.type];
  const wanted = types.map((type) => KINDS[type]?.what ?? type).join(' or ');
  const found = kind === undefined ? `a workflow of the type ${description.type}` : kind.what;
  const see = kind === undefined ? '' : `: '${kind.see(id)}' shows it`;
  throw new UserError(`'${id}' is ${found}, not ${wanted}${see}`);
}
