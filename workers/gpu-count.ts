/**
 * @module The GPUs of this host: what nvidia-smi says, or what its environment pretends.
 */
import { runBriefly } from '../activities/preflight/run-briefly.ts';
import type { HostSettings } from '../planning/environment/env.ts';
import { EnvironmentError } from '../planning/environment/environment-error.ts';
import type { Host } from '../contracts/pool.ts';
import { messageOf } from '../contracts/error-message.ts';

/** Without persistence mode it wakes the driver first, one GPU after the other; one that has lost a GPU never answers. */
const LIMIT_MS = 60_000;

/** @throws EnvironmentError where there are no GPUs and no one pretends any: a host must not look healthy by mistake. */
export async function countGpus(
  { gpus, pretend, host }: Pick<HostSettings, 'gpus' | 'pretend' | 'host'>,
  limitMs = LIMIT_MS,
): Promise<Pick<Host, 'gpus' | 'gpuMemoryMiB' | 'pretend'>> {
  if (pretend) {
    if (gpus === undefined)
      throw new EnvironmentError('GLEE_PRETEND_GPUS is set: set GLEE_GPUS too, to how many there are to be');
    return { gpus, pretend: true };
  }
  const found = await memories(limitMs).catch((error: unknown) => {
    const said = messageOf(error);
    throw new EnvironmentError(
      `host ${host}: its GPUs cannot be counted: ${said}. Mend the driver, or set GLEE_PRETEND_GPUS=1 and GLEE_GPUS on a host that is only to look as if it had some`,
    );
  });
  if (found.length === 0) throw new EnvironmentError(`host ${host}: nvidia-smi finds no GPU`);
  if (gpus !== undefined && gpus > found.length)
    throw new EnvironmentError(
      `host ${host}: GLEE_GPUS is ${gpus}, and nvidia-smi finds ${found.length} GPUs`,
    );
  const gpuMemoryMiB = Math.min(...found);
  return { gpus: gpus ?? found.length, ...(gpuMemoryMiB > 0 && { gpuMemoryMiB }) };
}

/** MiB, one for each GPU; 0 where it says none, as GPUs do that share the host's memory. */
async function memories(limitMs: number): Promise<readonly number[]> {
  const args = ['--query-gpu=index,memory.total', '--format=csv,noheader,nounits'];
  const stdout = await runBriefly('nvidia-smi', args, { limitMs, signal: new AbortController().signal });
  return stdout.split('\n').flatMap((line) => {
    const [, memory] = /^\s*\d+,\s*(.*)$/.exec(line) ?? [];
    return memory === undefined ? [] : [Number.parseInt(memory, 10) || 0];
  });
}
