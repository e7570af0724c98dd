/**
 * @module Writes what a command has planned, with progress.
 */
import { resolve } from 'node:path';
import type { TorchFile } from '../../activities/weights/torch/torch-file.ts';
import { writeTorchFile } from '../../activities/weights/torch/write-file.ts';
import { copyProgress } from './progress.ts';

export async function writeWithProgress(file: TorchFile, path: string, signal: AbortSignal): Promise<void> {
  const progress = await copyProgress(file.sizeBytes);
  try {
    await writeTorchFile(file, resolve(path), signal, progress.update);
  } finally {
    progress.clear();
  }
}
