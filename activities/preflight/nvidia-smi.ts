/** @module What NVIDIA's driver says of the GPUs of this host, asked of `nvidia-smi`. */
import { runBriefly } from './run-briefly.ts';

/** A healthy one answers in tens of milliseconds; without persistence mode it first wakes the driver for seconds. */
const LIMIT_MS = 20_000;

export interface Gpu {
  readonly index: number;
  readonly uuid: string;
  readonly busId: string;
  readonly usedMiB: number;
  /** Since the driver was loaded; undefined where the GPU counts none. */
  readonly eccErrors: number | undefined;
  readonly model: string;
}

export interface GpuProcess {
  readonly uuid: string;
  readonly pid: number;
  readonly name: string;
}

/** @throws when the driver does not answer, or speaks of a GPU in words where figures belong: it has lost it. */
export async function queryGpus(signal: AbortSignal): Promise<readonly Gpu[]> {
  const fields = 'index,uuid,pci.bus_id,memory.used,ecc.errors.uncorrected.volatile.total,name';
  return (await query(`--query-gpu=${fields}`, signal)).map((line) => {
    const [index, uuid = '', busId = '', used, ecc, ...model] = line;
    return {
      index: figure(index, line),
      uuid,
      busId,
      usedMiB: figure(used, line),
      eccErrors: isAbsent(ecc) ? undefined : figure(ecc, line),
      model: model.join(', '),
    };
  });
}

export async function queryProcesses(signal: AbortSignal): Promise<readonly GpuProcess[]> {
  const lines = await query('--query-compute-apps=gpu_uuid,pid,process_name', signal);
  return lines.map((line) => {
    const [uuid = '', pid, ...name] = line;
    return { uuid, pid: figure(pid, line), name: name.join(', ') };
  });
}

async function query(what: string, signal: AbortSignal): Promise<readonly (readonly string[])[]> {
  const format = '--format=csv,noheader,nounits';
  const answer = await runBriefly('nvidia-smi', [what, format], { limitMs: LIMIT_MS, signal });
  const lines = answer.split('\n').filter((line) => line.trim() !== '');
  return lines.map((line) => line.split(',').map((field) => field.trim()));
}

function isAbsent(field: string | undefined): boolean {
  return field === '[N/A]' || field === 'N/A' || field === '[Not Supported]';
}

function figure(field: string | undefined, line: readonly string[]): number {
  const value = Number(field === '' ? Number.NaN : field);
  if (Number.isFinite(value)) return value;
  throw new Error(`nvidia-smi: ${line.join(', ')}`);
}
