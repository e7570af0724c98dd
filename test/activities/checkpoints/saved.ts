/** @module Checkpoints as a trainer has just saved them: small files, each in a folder of its own. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { SavedCheckpoint } from '../../../activities/checkpoints/commit.ts';
import { temporaryFolder } from '../../fixtures/glee-checkout.ts';

export interface Save {
  readonly run: string;
  readonly iterations: number;
  /** @default 1 */
  readonly token?: number;
  readonly content?: string;
  readonly name?: string;
}

export async function save(
  test: TestContext,
  { run, iterations, token = 1, content, name }: Save,
): Promise<SavedCheckpoint> {
  const numbered = `model_${String(iterations - 1).padStart(7, '0')}.pth`;
  const path = join(await temporaryFolder(test), name ?? numbered);
  await writeFile(path, content ?? `weights of ${run} after ${iterations}`);
  return { run, stage: 'stage1', token, path, iterations, final: name === 'model_final.pth' };
}
