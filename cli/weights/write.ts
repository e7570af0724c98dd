/**
 * @module Writes what a command has planned, with progress, and never over what it is made from.
 */
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { removeAbandoned } from '../../activities/files/atomic-files.ts';
import type { TorchFile } from '../../activities/torch-file/torch-file.ts';
import { writeTorchFile } from '../../activities/torch-file/write-file.ts';
import { UserError } from '../shared/errors.ts';
import { copyProgress } from './progress.ts';

export async function writeWithProgress(file: TorchFile, path: string, signal: AbortSignal): Promise<void> {
  const target = resolve(path);
  await removeAbandoned(target);
  const progress = await copyProgress(file.sizeBytes);
  try {
    await writeTorchFile(file, target, signal, progress.update);
  } finally {
    progress.clear();
  }
}

/** The original would be gone, and with it the way to make the file again. @throws UserError */
export async function mustNotOverwrite(path: string, sources: readonly string[]): Promise<void> {
  const target = await stat(path).catch(() => undefined);
  for (const source of sources) {
    const read = await stat(source).catch(() => undefined);
    if (target === undefined || read?.ino !== target.ino || read.dev !== target.dev) continue;
    throw new UserError(`${path} is the file that would be read: name another one to write`);
  }
}
