/**
 * @module Reads what bench/trainers/beacon.py writes: when each rank of a sandbox training finished each iteration.
 */
import { cp, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { packageRoot } from '../planning/environment/package-root.ts';

const POLL_MS = 20;
const PATIENCE_MS = 120_000;

const signSchema = z.object({
  event: z.enum(['ready', 'iteration']),
  /** Epoch milliseconds, with fractions. */
  at: z.number(),
  rank: z.number(),
  pid: z.number(),
  /** The trainer's OUTPUT_DIR. */
  output: z.string(),
  iteration: z.number().optional(),
});
export type Sign = z.infer<typeof signSchema>;

/** Puts the beacon into a copy of the sandbox's checkout; its trainers need GLEE_BENCH_BEACON from then on. */
export async function attachBeacon(checkout: string): Promise<void> {
  const scripts = join(checkout, 'projects/GLEE');
  await rename(join(scripts, 'train_net.py'), join(scripts, 'sandbox_train_net.py'));
  await cp(join(packageRoot, 'bench/trainers'), scripts, { recursive: true });
}

/** The signs of one training: those with `output` in the path of their output folder. */
export async function readSigns(file: string, output: string): Promise<Sign[]> {
  const text = await readFile(file, 'utf8').catch(() => '');
  const lines = text.slice(0, text.lastIndexOf('\n') + 1).split('\n');
  return lines
    .filter((line) => line !== '')
    .map((line) => signSchema.parse(JSON.parse(line)))
    .filter((sign) => sign.output.includes(output));
}

export interface Wait {
  readonly file: string;
  /** What the training's output folder has in its path, and no other's. */
  readonly output: string;
  readonly signal: AbortSignal;
  /** What is waited for, should it not come. */
  readonly what: string;
}

/** The first sign of an iteration that `wanted` accepts. @throws when none comes within two minutes. */
export async function waitForIteration(
  { file, output, signal, what }: Wait,
  wanted: (sign: Sign & { readonly iteration: number }) => boolean,
): Promise<Sign & { readonly iteration: number }> {
  for (const deadline = performance.now() + PATIENCE_MS; performance.now() < deadline;) {
    for (const sign of await readSigns(file, output)) {
      const { iteration } = sign;
      if (iteration !== undefined && wanted({ ...sign, iteration })) return { ...sign, iteration };
    }
    await delay(POLL_MS, undefined, { signal });
  }
  throw new Error(`${what} did not come within ${PATIENCE_MS / 1000} s`);
}
