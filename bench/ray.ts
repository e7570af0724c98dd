/**
 * @module The peer: Ray Train, in a venv of the bench's own below the user's cache folder.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { packageRoot } from '../configs/package-root.ts';
import { logTail } from '../sandbox/log-tail.ts';
import { killAndWait, type Killed } from './kill.ts';
import { endMarked, markOf } from './marked.ts';
import type { TrainerEnv } from './own-start.ts';

const SHUTDOWN_MS = 15_000;

export interface RayOptions {
  readonly python: string;
  readonly trainerEnv: TrainerEnv;
  /** The config that the pipeline's trainer had. */
  readonly config: string;
  readonly signal: AbortSignal;
}

/** Starts Ray and a training, kills one worker, waits until it goes on, and ends Ray with all that belongs to it. */
export async function killUnderRay(options: RayOptions): Promise<Killed> {
  // Ray's sockets lie below: a longer path would not do.
  const folder = await mkdtemp('/tmp/glee-ray-');
  const mark = markOf(folder);
  const log = join(folder, 'driver.log');
  try {
    const output = join(folder, 'out');
    await mkdir(output);
    const config = join(folder, 'config.yaml');
    await writeFile(config, `_BASE_: "${options.config}"\nOUTPUT_DIR: "${output}"\n`);
    const beacon = join(folder, 'beacon.jsonl');
    const driver = await startDriver(
      options,
      { config, folder, log },
      { ...mark, GLEE_BENCH_BEACON: beacon },
    );
    try {
      return await killAndWait({ file: beacon, output, signal: options.signal }, 'Ray Train');
    } catch (error) {
      options.signal.throwIfAborted();
      throw new Error(`${String(error)}; ${await logTail(log)}`, { cause: error });
    } finally {
      await endDriver(driver);
    }
  } finally {
    await endMarked(mark);
    await rm(folder, { recursive: true, force: true });
  }
}

async function startDriver(
  { python, trainerEnv }: RayOptions,
  { config, folder, log }: { readonly config: string; readonly folder: string; readonly log: string },
  more: Readonly<Record<string, string>>,
): Promise<ChildProcess> {
  const file = await open(log, 'a');
  try {
    const driver = spawn(python, [join(packageRoot, 'bench/peers/ray_recovery.py'), config, folder], {
      env: { ...process.env, ...trainerEnv, ...more, RAY_USAGE_STATS_ENABLED: '0' },
      detached: true,
      stdio: ['pipe', file.fd, file.fd],
    });
    await once(driver, 'spawn');
    return driver;
  } finally {
    await file.close();
  }
}

/** The end of its input is its word to shut Ray down. */
async function endDriver(driver: ChildProcess): Promise<void> {
  if (driver.exitCode !== null || driver.signalCode !== null) return;
  const exited = once(driver, 'exit', { signal: AbortSignal.timeout(SHUTDOWN_MS) });
  driver.stdin?.end();
  await exited.catch(() => driver.kill('SIGKILL'));
}
