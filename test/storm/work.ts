/**
 * @module The work that a storm comes over: a joint training, a fine-tune with evaluations and a sweep, again and again,
 * and whether each ends with what the undisturbed one ended with.
 */
import type { Client } from '@temporalio/client';
import { z } from 'zod';
import { rootCause } from '../../cli/shared/observe-run.ts';
import { CONTROL_TASK_QUEUE } from '../../contracts/ids.ts';
import { sweepStateQuery } from '../../workflows/base/messages.ts';
import { inTime } from './in-time.ts';
import { KINDS_OF_WORK, type KindOfWork, type Weather } from './configs.ts';

const WORKFLOWS = { joint: 'jointTraining', finetune: 'fineTune', sweeps: 'fineTuneSweep' } as const;

export type WorkEnd =
  | { readonly kind: 'running' }
  /** All that may not depend on the weather, as text. */
  | { readonly kind: 'completed'; readonly outcome: string }
  | { readonly kind: 'failed'; readonly why: string };

export interface Piece {
  readonly kind: KindOfWork;
  readonly id: string;
}

/** Starting twice is starting once. @throws while Temporal is away. */
export async function startPiece(client: Client, { kind, id }: Piece, weather: Weather): Promise<void> {
  const start = client.workflow.start(WORKFLOWS[kind], {
    workflowId: id,
    taskQueue: CONTROL_TASK_QUEUE,
    args: [{ config: `${kind}/${weather}` }],
    workflowIdConflictPolicy: 'USE_EXISTING',
  });
  await inTime(start);
}

/** 'running' also while Temporal cannot be asked. */
export async function endOf(client: Client, { kind, id }: Piece): Promise<WorkEnd> {
  const handle = client.workflow.getHandle(id);
  const status = await inTime(handle.describe()).then(
    ({ status }) => status.name,
    () => 'RUNNING',
  );
  if (status === 'RUNNING' || status === 'CONTINUED_AS_NEW') return { kind: 'running' };
  try {
    const result: unknown = await inTime(handle.result());
    const full = kind === 'sweeps' ? await fullDiskOf(client, id, result) : undefined;
    if (full !== undefined) return { kind: 'failed', why: `FAILED: DiskFull: ${full}` };
    return { kind: 'completed', outcome: outcomeOf(kind, result) };
  } catch (error) {
    // The call itself may have failed: then the status is no verdict.
    if (status === 'COMPLETED') return { kind: 'running' };
    return { kind: 'failed', why: `${status}: ${error instanceof Error ? rootCause(error) : String(error)}` };
  }
}

/** Why, when a full disk alone ended trials of the sweep: their sweep completes without them. */
async function fullDiskOf(client: Client, id: string, result: unknown): Promise<string | undefined> {
  if (sweepCounts.parse(result).counts.failed === 0) return undefined;
  const { trials } = await inTime(client.workflow.getHandle(id).query(sweepStateQuery));
  const failed = trials.filter(({ status }) => status === 'failed');
  const isOfDisk = failed.every(({ why = '' }) => /no space left|\broom\b/i.test(why));
  return isOfDisk ? failed.map(({ id: trial, why = '' }) => `${trial}: ${why}`).join('; ') : undefined;
}

/** Runs each kind once without a storm. Returns their outcomes by kind. */
export async function undisturbed(
  client: Client,
  waitFor: (what: string, look: () => Promise<string | undefined>) => Promise<string>,
): Promise<ReadonlyMap<KindOfWork, string>> {
  const outcomes = new Map<KindOfWork, string>();
  const pieces = KINDS_OF_WORK.map((kind) => ({ kind, id: `calm-${kind}` }));
  for (const piece of pieces) await startPiece(client, piece, 'calm');
  for (const piece of pieces) {
    const outcome = await waitFor(`the undisturbed ${piece.id} to end`, async () => {
      const end = await endOf(client, piece);
      if (end.kind === 'failed') throw new Error(`${piece.id}: ${end.why}`);
      return end.kind === 'completed' ? end.outcome : undefined;
    });
    outcomes.set(piece.kind, outcome);
  }
  return outcomes;
}

const sweepCounts = z.object({ counts: z.object({ failed: z.number() }) });

// What the weather may change, as times and attempts, is left out.
const checkpoint = z.object({ iterations: z.number(), sha256: z.string() });
const OUTCOMES: Readonly<Record<KindOfWork, z.ZodType>> = {
  joint: z.object({ stages: z.array(z.object({ stage: z.string(), artifact: checkpoint })) }),
  finetune: z.object({
    stage: z.object({ artifact: checkpoint }),
    evaluations: z.array(checkpoint.extend({ metrics: z.array(z.unknown()) })),
    best: checkpoint.optional(),
  }),
  sweeps: z.object({ leaderboard: z.array(z.unknown()), counts: z.unknown() }),
};

function outcomeOf(kind: KindOfWork, result: unknown): string {
  return JSON.stringify(OUTCOMES[kind].parse(result));
}
