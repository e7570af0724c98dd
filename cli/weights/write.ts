/**
 * @module Writes what a command has planned, with progress.
 */
import { resolve } from 'node:path';
import { removeAbandoned } from '../../activities/storage/files.ts';
import type { TorchFile } from '../../activities/weights/torch/torch-file.ts';
import { writeTorchFile } from '../../activities/weights/torch/write-file.ts';
import { copyProgress } from './progress.ts';

export async function writeWithProgress(file: TorchFile, path: string, signal: AbortSignal): Promise<void> {
  const target = resolve(path);
  await removeAbandoned(target);
  const progress = copyProgress(file.sizeBytes);
  try {
    await writeTorchFile(file, target, signal, progress.update);
  } finally {
    progress.clear();
  }
}
