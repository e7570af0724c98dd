/** @module Whether GLEE's torch sees the GPUs that the driver has, and whether they compute as fast as they should. */
import { join } from 'node:path';
import { z } from 'zod';
import { gpuVariables, visibleDevices } from '../../planning/environment/visible-gpus.ts';
import { packageRoot } from '../../planning/environment/package-root.ts';
import type { HostCheck } from '../../contracts/health.ts';
import { failed, faulty, passed, type Finding } from './finding.ts';
import { keep, readKept } from './kept-findings.ts';
import type { Gpu } from './nvidia-smi.ts';
import { runBriefly } from './run-briefly.ts';
import { isFarBelow, keepSpeed, median, usualSpeed } from './disk-speed.ts';

/** Most of it is torch's import, which takes a minute where the checkout's Python lies on a cold network disk. */
export const GEMM_LIMIT_MS = 120_000;
/** So long a GPU that computed well is taken to compute well. */
const FRESH_MS = 5 * 60 * 1000;

const seenSchema = z.union([
  z.object({ missing: z.string() }),
  z.object({ torch: z.string(), count: z.number(), tflops: z.array(z.number()) }),
]);
const lastSchema = z.object({
  at: z.number(),
  gpus: z.array(z.string()),
  tflops: z.number(),
  said: z.string(),
});

export interface Computed {
  readonly checks: readonly HostCheck[];
  /** Of the slowest GPU. */
  readonly tflops?: number;
}

export interface GemmHost {
  readonly scratch: string;
  readonly python: string;
}

/** @throws when torch or a GPU does not answer. */
export async function compute(
  { scratch, python }: GemmHost,
  gpus: readonly Gpu[],
  gpuIndices: readonly number[] | undefined,
  signal: AbortSignal,
): Promise<Computed> {
  const uuids = gpus.map(({ uuid }) => uuid);
  const last = await readKept(scratch, 'gemm.json', lastSchema);
  const age = Date.now() - (last?.at ?? 0);
  if (last !== undefined && age >= 0 && age < FRESH_MS && last.gpus.join() === uuids.join()) {
    const said = `${last.said}, ${Math.round(age / 1000)} s ago`;
    return { checks: [{ name: 'gemm', ...passed(said) }], tflops: last.tflops };
  }
  const script = join(packageRoot, 'trainer/health.py');
  // The very GPUs that a trainer would get.
  const env = gpuVariables(gpuIndices ?? (visibleDevices() ?? gpus).map((_, place) => place));
  const printed = await runBriefly(python, [script, 'gemm'], { limitMs: GEMM_LIMIT_MS, signal, env });
  const seen = seenSchema.parse(JSON.parse(printed.split('\n').at(-1) ?? ''));
  if ('missing' in seen)
    return {
      checks: [{ name: 'torch', ...failed(`${seen.missing}: install torch for GLEE_PYTHON (${python})`) }],
    };
  const torch = agree(seen, gpus.length);
  if (torch.outcome !== 'passed') return { checks: [{ name: 'torch', ...torch }] };
  const gemm = await judge(scratch, gpus, seen.tflops);
  const tflops = Math.min(...seen.tflops);
  if (gemm.outcome === 'passed')
    await keep(scratch, 'gemm.json', { at: Date.now(), gpus: uuids, tflops, said: gemm.said });
  const checks = [
    { name: 'torch', ...torch },
    { name: 'gemm', ...gemm },
  ];
  return { checks, tflops };
}

function agree(
  { torch, count }: { readonly torch: string; readonly count: number },
  driver: number,
): Finding {
  if (count === driver) return passed(`torch ${torch} sees ${count} GPUs, as the driver does`);
  return faulty(`torch ${torch} sees ${count} GPUs, the driver ${driver}: driver or CUDA is broken`);
}

async function judge(scratch: string, gpus: readonly Gpu[], tflops: readonly number[]): Promise<Finding> {
  const slow: string[] = [];
  const notes = new Set<string>();
  const own = median(tflops);
  for (const [place, figure] of tflops.entries()) {
    const { index, model } = gpus[place] ?? { index: place, model: '' };
    const { usual, said } = await usualSpeed(scratch, `gemm ${model}`);
    notes.add(said);
    // The other GPUs of the same host are known from the first check on.
    const measure = usual ?? own;
    if (isFarBelow(figure, measure)) slow.push(`GPU ${index} does ${figure} TFLOP/s, usual: ${measure}`);
  }
  if (slow.length > 0) return faulty(slow.join('; '));
  for (const [place, figure] of tflops.entries())
    await keepSpeed(scratch, `gemm ${gpus[place]?.model ?? ''}`, figure);
  return passed(`${Math.min(...tflops)} TFLOP/s on the slowest GPU, ${[...notes].join(', ')}`);
}
