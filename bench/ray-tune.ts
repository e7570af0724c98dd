/** @module The peer of sweeps: Ray Tune, with trials that do nothing. */
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { packageRoot } from '../planning/environment/package-root.ts';
import { runInGroup } from '../sandbox/run-in-group.ts';
import { endMarked, markOf } from './marked.ts';

/** Seconds that Ray Tune takes for so many trials, four at a time; its own start is not counted. */
export async function tuneNothing(python: string, trials: number, signal: AbortSignal): Promise<number> {
  // Ray's sockets lie below: a longer path would not do.
  const folder = await mkdtemp('/tmp/glee-ray-');
  const mark = markOf(folder);
  try {
    const script = [join(packageRoot, 'bench/peers/ray_tune.py'), folder, String(trials)];
    const env = { ...process.env, ...mark, RAY_USAGE_STATS_ENABLED: '0' };
    const said = await runInGroup(python, script, { env, signal });
    const [seconds, ended] = (said.trimEnd().split('\n').at(-1) ?? '').split(' ').map(Number);
    if (seconds === undefined || ended !== trials) throw new Error(`${ended} of ${trials} trials ended`);
    return seconds;
  } finally {
    await endMarked(mark);
    await rm(folder, { recursive: true, force: true });
  }
}
