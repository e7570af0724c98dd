/** @module Whether the lease's GPUs are there, whole and free. */
import { visibleDevices } from '../../planning/environment/visible-gpus.ts';
import { listJobs } from '../training/jobs/job.ts';
import { livingTrainers } from '../training/jobs/processes.ts';
import type { CheckHostInput } from '../../contracts/health.ts';
import { failed, faulty, passed, skipped, type Finding } from './finding.ts';
import { queryGpus, queryProcesses, type Gpu, type GpuProcess } from './nvidia-smi.ts';
import { isOf, recentXids } from './xid-errors.ts';

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
  if (visibleDevices()?.some((device) => device.startsWith('MIG-')))
    return {
      gpus: [],
      finding: skipped('CUDA_VISIBLE_DEVICES names parts of GPUs (MIG), which are not checked'),
    };
  const visible = visibleGpus(all);
  const gpus = (input.gpuIndices ?? visible.map((_, place) => place)).flatMap(
    (place) => visible[place] ?? [],
  );
  const lacking = lackOf(input, visible);
  const broken = gpus.flatMap((gpu) => [
    ...((gpu.eccErrors ?? 0) > 0 ? [`${nameOf(gpu)} has ${gpu.eccErrors} uncorrectable ECC errors`] : []),
    ...(xids ?? []).filter((xid) => isOf(xid, gpu.busId)).map(({ text }) => `${nameOf(gpu)}: ${text}`),
  ]);
  const faults = [...lacking, ...broken];
  if (faults.length > 0) return { gpus, finding: faulty(faults.join('; ')) };
  const busy = busyOf(gpus, processes, await ownPids(scratch, input));
  if (busy.length > 0) return { gpus, finding: failed(`${busy.join('; ')}: end what uses it`) };
  const kernel =
    xids === undefined ? "; the kernel's log cannot be read for Xids" : ', no Xid in the last hour';
  const said = `${gpus.length} free (${modelsOf(gpus)}), no uncorrectable ECC errors${kernel}`;
  return { gpus, finding: passed(said) };
}

/** Those that the worker may use, in the order in which leases count them: others are no one's business here. */
function visibleGpus(all: readonly Gpu[]): readonly (Gpu | undefined)[] {
  const devices = visibleDevices();
  if (devices === undefined) {
    const last = Math.max(-1, ...all.map(({ index }) => index));
    return Array.from({ length: last + 1 }, (_, place) => all.find(({ index }) => index === place));
  }
  return devices.map((device) =>
    all.find(({ index, uuid }) => String(index) === device || (device !== '' && uuid.startsWith(device))),
  );
}

function lackOf({ gpuIndices, plan }: CheckHostInput, visible: readonly (Gpu | undefined)[]): string[] {
  const { gpusPerHost } = plan.gang;
  const devices = visibleDevices();
  const seen = visible.filter((gpu) => gpu !== undefined).length;
  const among = devices === undefined ? '' : ` of CUDA_VISIBLE_DEVICES '${devices.join(',')}'`;
  const sees = `nvidia-smi sees ${seen} GPUs${among}`;
  const lacking = (gpuIndices ?? []).filter((place) => visible[place] === undefined);
  if (lacking.length > 0) return [`${sees}, and not ${lacking.join(', ')} of the lease`];
  return seen < gpusPerHost ? [`${sees}, and the stage trains on ${gpusPerHost}`] : [];
}

function busyOf(gpus: readonly Gpu[], processes: readonly GpuProcess[], own: ReadonlySet<number>): string[] {
  return gpus.flatMap((gpu) => {
    const users = processes.filter(({ uuid }) => uuid === gpu.uuid);
    const strangers = users.filter(({ pid }) => !own.has(pid));
    if (strangers.length > 0)
      return strangers.map(({ pid, name }) => `${nameOf(gpu)} is used by process ${pid} (${name})`);
    if (users.length > 0 || gpu.usedMiB <= IDLE_MIB) return [];
    return [`${nameOf(gpu)} has ${gpu.usedMiB} MiB in use by a process that nvidia-smi does not name`];
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
  return `GPU ${index}`;
}

function modelsOf(gpus: readonly Gpu[]): string {
  return [...new Set(gpus.map(({ model }) => model))].join(', ');
}
