/**
 * @module What an upload costs a trainer that needs both cores: milliseconds of an iteration with and without it, on two
 * ranks that wait for each other. S3's server runs on the same cores here, and costs more than the upload.
 */
import { once } from 'node:events';
import { execa } from 'execa';
import { join } from 'node:path';
import { packageRoot } from '../planning/environment/package-root.ts';
import type { TransferPlace } from './transfers.ts';
import { FILE_BYTES } from './transfers.ts';

/** A checkpoint of 2 GiB every 20 minutes, in half the time until the next. */
const PERIOD_SECONDS = 20 * 60;
const LIMIT_BYTES_PER_SECOND = FILE_BYTES / (0.5 * PERIOD_SECONDS);
const LOOK_SECONDS = 20;

/** Milliseconds of an iteration. */
export interface PaceRound {
  readonly during: number;
  readonly without: number;
}

export async function measurePace(place: TransferPlace): Promise<PaceRound> {
  const without = await iterate(place);
  const upload = execa(
    process.execPath,
    [
      ...[join(packageRoot, 'dist/bench/transfer-process.js'), 'upload', place.path, 'paced.pth'],
      String(LIMIT_BYTES_PER_SECOND),
    ],
    { env: place.env, cancelSignal: place.signal, reject: false },
  );
  try {
    // Its start is not what a worker that runs already costs.
    await once(upload.stdout, 'data');
    return { during: await iterate(place), without };
  } finally {
    upload.kill('SIGTERM');
    await upload;
  }
}

async function iterate({ env, signal }: TransferPlace): Promise<number> {
  const trainer = [join(packageRoot, 'bench/trainers/pace.py'), String(LOOK_SECONDS)];
  const { stdout } = await execa('python3', trainer, { env, cancelSignal: signal });
  return Number(stdout);
}
