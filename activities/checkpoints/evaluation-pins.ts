/**
 * @module Checkpoints that evaluations wait for hosts with: pinned until the evaluation is over. One that was terminated
 * leaves its mark; the mark names its workflow, so that who prunes can ask whether that still runs.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Checkpoint } from '../../contracts/checkpoints.ts';
import type { PinnedCheckpoint } from '../../contracts/evaluation.ts';
import { keys } from '../../contracts/ids.ts';
import type { Bucket } from '../storage/bucket.ts';
import { readObject } from '../storage/schemas.ts';
import { pin, unpin } from './pins.ts';
import { pinOf, type StageKey } from './snapshot.ts';

/** No run's id begins so. */
const PREFIX = '_evaluation-';

const markSchema = z.object({ workflow: z.string() });

/** @returns Undefined when the checkpoint has just been removed. */
export async function pinForEvaluation(
  bucket: Bucket,
  { run, stage, token, name }: Checkpoint,
  workflow: string,
  signal: AbortSignal,
): Promise<PinnedCheckpoint | undefined> {
  const pinned = { run, stage, token, name, by: markOf(workflow) };
  return (await pin(bucket, pinned, pinned.by, signal, { workflow })) ? pinned : undefined;
}

export function isEvaluationMark(by: string): boolean {
  return by.startsWith(PREFIX);
}

/** Of an evaluation that is over, however it ended. Asked twice, it does nothing. */
export function unpinAfterEvaluation(
  bucket: Bucket,
  pinned: PinnedCheckpoint,
  signal: AbortSignal,
): Promise<void> {
  return unpin(bucket, pinned, pinned.by, signal);
}

/** Removes what evaluations have left that ended without a word. Where no one says that one has ended, its mark stays. */
export async function unpinEnded(
  bucket: Bucket,
  stage: StageKey,
  isRunning: (workflow: string) => Promise<boolean>,
  signal: AbortSignal,
): Promise<void> {
  const marks = await bucket.objects.listAll(keys.pins(stage.run, stage.stage), signal);
  for (const { name } of marks) {
    if (!isEvaluationMark(pinOf(stage, name)?.by ?? '')) continue;
    const mark = await readObject(bucket.store, name, markSchema, signal).catch(() => undefined);
    if (mark !== undefined && !(await isRunning(mark.value.workflow)))
      await bucket.objects.remove(name, signal);
  }
}

/** The same for each start of the same workflow: it takes over what one before it has left. */
function markOf(workflow: string): string {
  return `${PREFIX}${createHash('sha256').update(workflow).digest('hex').slice(0, 24)}`;
}
