/**
 * @module A Python with Ray Train, made once: the venv lies in the user's cache folder, never in the work tree.
 */
import { access, mkdir, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { runInGroup } from '../sandbox/run-in-group.ts';

/** The version that the bench was written with; the newest there is where that one is not to be had. */
const WANTED = ['ray[train]==2.60.*', 'ray[train]'];

export interface RayPython {
  readonly python: string;
  /** `Ray Train 2.60.0`. */
  readonly name: string;
}

/** @throws with pip's last lines when Ray cannot be installed here. */
export async function obtainRay(progress: (text: string) => void, signal: AbortSignal): Promise<RayPython> {
  const caches = process.env.XDG_CACHE_HOME ?? '';
  const venv = join(caches === '' ? join(homedir(), '.cache') : caches, 'glee-pipeline/bench/ray-venv');
  const python = join(venv, 'bin/python');
  const isThere = await access(python).then(
    () => true,
    () => false,
  );
  if (!isThere) await install(venv, progress, signal);
  const asked = ['-c', 'import ray, ray.train; print(ray.__version__)'];
  const version = await runInGroup(python, asked, { env: process.env, signal });
  return { python, name: `Ray Train ${version.trim()}` };
}

/** The venv gets its name when it is complete: one that was begun and left is made again. */
async function install(venv: string, progress: (text: string) => void, signal: AbortSignal): Promise<void> {
  const run = (command: string, args: readonly string[]) =>
    runInGroup(command, args, { env: process.env, signal });
  progress(`making ${venv} with Ray Train from PyPI: a minute and 650 MB, the first time only`);
  await mkdir(join(venv, '..'), { recursive: true });
  // A venv cannot be moved, its scripts name its folder; its python can be hidden until all is there.
  await rm(venv, { recursive: true, force: true });
  await run('python3', ['-m', 'venv', venv]);
  const [python, hidden] = [join(venv, 'bin/python'), join(venv, 'bin/python-unfinished')];
  await rename(python, hidden);
  for (const [index, wanted] of WANTED.entries()) {
    try {
      await run(hidden, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', wanted]);
      break;
    } catch (error) {
      if (index === WANTED.length - 1) throw error;
      progress(`no ${wanted} to be had, trying ${WANTED[index + 1] ?? ''}`);
    }
  }
  await rename(hidden, python);
}
