/** @module Whether GLEE_PYTHON has what the checkout's GLEE imports; a trainer that is not GLEE's is not judged. */
import { join } from 'node:path';
import { z } from 'zod';
import { packageRoot } from '../../planning/environment/package-root.ts';
import { NotStarted, runBriefly } from './run-briefly.ts';

/** It imports torch where Python is newer than GLEE: a minute on a cold network disk. */
export const PYTHON_LIMIT_MS = 90_000;

const seenSchema = z.object({
  python: z.string(),
  isGlee: z.boolean(),
  missing: z.array(z.object({ module: z.string(), install: z.string() })),
  hasAttention: z.boolean(),
  samplesSets: z.boolean(),
});

export interface PythonLook {
  /** Version. */
  readonly python: string;
  /** The checkout's trainer is GLEE's own. */
  readonly isGlee: boolean;
  /** Why GLEE cannot train with it, and what to do; undefined where it can. */
  readonly problem: string | undefined;
  /** What makes it slow. */
  readonly warning: string | undefined;
}

export interface PythonHost {
  readonly python: string;
  readonly checkout: string;
}

/** @throws when the interpreter does not answer. One that does not start is a problem that it returns. */
export async function lookAtPython(host: PythonHost, signal: AbortSignal): Promise<PythonLook> {
  try {
    return await askPython(host, signal);
  } catch (error) {
    if (!(error instanceof NotStarted)) throw error;
    const problem = `${error.message}: set GLEE_PYTHON to the interpreter that has GLEE's requirements`;
    return { python: 'unknown', isGlee: false, problem, warning: undefined };
  }
}

async function askPython(host: PythonHost, signal: AbortSignal): Promise<PythonLook> {
  const { python, checkout } = host;
  const script = join(packageRoot, 'trainer/health.py');
  const printed = await runBriefly(python, [script, 'environment', checkout], {
    limitMs: PYTHON_LIMIT_MS,
    signal,
  });
  const seen = seenSchema.parse(JSON.parse(printed.split('\n').at(-1) ?? ''));
  const { missing, hasAttention, samplesSets, isGlee } = seen;
  const problems = [
    ...(missing.length === 0
      ? []
      : [
          `${python} has no ${missing.map(({ module }) => module).join(', ')}: install ${missing.map(({ install }) => install).join('; ')}`,
        ]),
    ...(isGlee && !samplesSets
      ? [
          `Python ${seen.python} draws no samples from sets, as GLEE does: set GLEE_PYTHON to Python 3.10 or older`,
        ]
      : []),
  ];
  const problem = problems.length === 0 ? undefined : problems.join('; ');
  return { python: seen.python, isGlee, problem, warning: hasAttention ? undefined : slowAttention(host) };
}

function slowAttention({ python, checkout }: PythonHost): string {
  const folder = join(checkout, 'projects/GLEE/glee/models/pixel_decoder/ops');
  return `MultiScaleDeformableAttention is not compiled, and GLEE takes a slow one in its place: (cd '${folder}' && '${python}' setup.py build install)`;
}
