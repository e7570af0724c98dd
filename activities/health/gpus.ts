/** @module Whether the lease's GPUs are there, whole and free. */
import { listJobs } from '../training/job.ts';
import { livingTrainers } from '../training/processes.ts';
import type { CheckHostInput } from '../../contracts/health.ts';
import { failed, faulty, passed, type Finding } from './finding.ts';
import { queryGpus, queryProcesses, type Gpu, type GpuProcess } from './nvidia-smi.ts';
import { isOf, recentXids } from './xid.ts';

/** The driver and its helpers hold some hundred MiB of an idle GPU. */
const IDLE_MIB = 1024;

export interface SeenGpus {
  readonly finding: Finding;
  /** The lease's, as far as they are there. */
  readonly gpus: readonly Gpu[];
}

export async function lookAtGpus(
  scratch: string,
  input: CheckHostInput,
  signal: AbortSignal,
): Promise<SeenGpus> {
  const [all, processes, xids] = await Promise.all([
    queryGpus(signal),
    queryProcesses(signal),
    recentXids(signal),
  ]);
  const wanted = input.gpuIndices;
  const gpus = wanted === undefined ? all : all.filter(({ index }) => wanted.includes(index));
  const lacking = lackOf(input, all);
  const broken = gpus.flatMap((gpu) => [
    ...((gpu.eccErrors ?? 0) > 0
      ? [`${nameOf(gpu)} has ${String(gpu.eccErrors)} uncorrectable ECC errors`]
      : []),
    ...(xids ?? []).filter((xid) => isOf(xid, gpu.busId)).map(({ text }) => `${nameOf(gpu)}: ${text}`),
  ]);
  const faults = [...lacking, ...broken];
  if (faults.length > 0) return { gpus, finding: faulty(faults.join('; ')) };
  const busy = busyOf(gpus, processes, await ownPids(scratch, input));
  if (busy.length > 0) return { gpus, finding: failed(`${busy.join('; ')}: end what uses it`) };
  const kernel =
    xids === undefined ? "; the kernel's log cannot be read for Xids" : ', no Xid in the last hour';
  const said = `${String(gpus.length)} free (${modelsOf(gpus)}), no uncorrectable ECC errors${kernel}`;
  return { gpus, finding: passed(said) };
}

function lackOf({ gpuIndices, plan }: CheckHostInput, all: readonly Gpu[]): string[] {
  const there = new Set(all.map(({ index }) => index));
  const lacking = (gpuIndices ?? []).filter((index) => !there.has(index));
  const sees = `nvidia-smi sees ${String(all.length)} GPUs`;
  if (lacking.length > 0) return [`${sees}, and not ${lacking.join(', ')} of the lease`];
  const { gpusPerHost } = plan.gang;
  return all.length < gpusPerHost ? [`${sees}, and the stage trains on ${String(gpusPerHost)}`] : [];
}

function busyOf(gpus: readonly Gpu[], processes: readonly GpuProcess[], own: ReadonlySet<number>): string[] {
  return gpus.flatMap((gpu) => {
    const users = processes.filter(({ uuid }) => uuid === gpu.uuid);
    const strangers = users.filter(({ pid }) => !own.has(pid));
    if (strangers.length > 0)
      return strangers.map(({ pid, name }) => `${nameOf(gpu)} is used by process ${String(pid)} (${name})`);
    if (users.length > 0 || gpu.usedMiB <= IDLE_MIB) return [];
    return [
      `${nameOf(gpu)} has ${String(gpu.usedMiB)} MiB in use by a process that nvidia-smi does not name`,
    ];
  });
}

/** An attempt of this same stage may be about to end, and is no stranger. */
async function ownPids(scratch: string, { run, plan }: CheckHostInput): Promise<ReadonlySet<number>> {
  const jobs = await listJobs(scratch, { run, stage: plan.stage });
  if (jobs.length === 0) return new Set();
  const living = await livingTrainers();
  return new Set(jobs.flatMap(({ folder }) => living.get(folder) ?? []));
}

function nameOf({ index }: Gpu): string {
  return `GPU ${String(index)}`;
}

function modelsOf(gpus: readonly Gpu[]): string {
  return [...new Set(gpus.map(({ model }) => model))].join(', ');
}
