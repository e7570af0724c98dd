/**
 * @module Invariants of processes: no GPU has trainers of two jobs, and no stage has trainers of two attempts, for longer
 * than it takes to end the older one while its host is well.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { Stopwatches, type Disturbances } from './disturbances.ts';
import type { Violation } from './story.ts';

/** A process of a trainer, found by its mark. */
export interface TrainerProcess {
  readonly pid: number;
  /** Of its job: `<run>/<stage>/<token>` below the host's scratch folder. */
  readonly job: string;
  readonly host: string;
  readonly gpus: readonly string[];
  readonly isShim: boolean;
  /** It does nothing until it is continued. */
  readonly isFrozen: boolean;
}

/** From the moment that the older one should end, in seconds of a host that is well. */
const MOST_SECONDS = 15;

export class TrainerRules {
  readonly #disturbances: Disturbances;
  readonly #stopwatches = new Stopwatches();

  constructor(disturbances: Disturbances) {
    this.#disturbances = disturbances;
  }

  check(processes: readonly TrainerProcess[]): readonly Violation[] {
    const lasting = new Map<string, { excused: boolean }>();
    for (const { key, hosts } of conflictsAmong(processes)) {
      const parts = ['S3', 'Temporal', 'control worker', ...hosts];
      lasting.set(key, { excused: !parts.every((part) => this.#disturbances.isQuiet(part)) });
    }
    return this.#stopwatches
      .over(lasting, MOST_SECONDS)
      .map((key) => ({ rule: 'one trainer', text: `${key} for more than ${String(MOST_SECONDS)} s` }));
  }
}

export interface Conflict {
  readonly key: string;
  readonly hosts: readonly string[];
}

/** Pairs of jobs that share a GPU, or of one stage's attempts, of which processes live that compute. */
export function conflictsAmong(processes: readonly TrainerProcess[]): readonly Conflict[] {
  const computing = processes.filter(({ isShim, isFrozen }) => !isShim && !isFrozen);
  const jobs = new Map(computing.map((one) => [`${one.host}:${one.job}`, one]));
  const pairs = [...jobs.values()].flatMap((a, index) =>
    [...jobs.values()].slice(index + 1).map((b) => [a, b] as const),
  );
  return pairs.flatMap(([a, b]) => {
    const hosts = [...new Set([a.host, b.host])];
    const shared = a.host === b.host ? a.gpus.filter((gpu) => b.gpus.includes(gpu)) : [];
    if (shared.length > 0)
      return [{ key: `GPU ${shared.join(',')} of ${a.host} has trainers of ${a.job} and ${b.job}`, hosts }];
    const isOneStage = stageOf(a) === stageOf(b) && a.job !== b.job;
    return isOneStage ? [{ key: `${stageOf(a)} has trainers of ${a.job} and ${b.job}`, hosts }] : [];
  });
}

/** @param scratchOf Folder of each host. */
export function listTrainers(scratchOf: ReadonlyMap<string, string>): readonly TrainerProcess[] {
  return readdirSync('/proc').flatMap((name) =>
    /^\d+$/.test(name) ? trainerOf(Number(name), scratchOf) : [],
  );
}

/** Processes with the job's mark, or a rank that has renamed itself and shows none: those are its children. */
function trainerOf(pid: number, scratchOf: ReadonlyMap<string, string>): readonly TrainerProcess[] {
  try {
    const environment = readFileSync(`/proc/${String(pid)}/environ`, 'utf8').split('\0');
    const of = (name: string) =>
      environment.find((entry) => entry.startsWith(`${name}=`))?.slice(name.length + 1);
    const folder = of('GLEE_JOB');
    const command = readFileSync(`/proc/${String(pid)}/cmdline`, 'utf8');
    if (folder === undefined || command === '') return [];
    const state = readFileSync(`/proc/${String(pid)}/stat`, 'utf8').replace(/^.*\) /s, '')[0];
    const [host, scratch] = [...scratchOf].find(([, root]) => folder.startsWith(`${root}/jobs/`)) ?? [];
    if (host === undefined || scratch === undefined) return [];
    return [
      {
        ...{ pid, host, job: relative(`${scratch}/jobs`, folder) },
        gpus: (of('CUDA_VISIBLE_DEVICES') ?? '').split(',').filter((gpu) => gpu !== ''),
        isShim: command.includes('trainer/shim.py'),
        isFrozen: state === 'T',
      },
    ];
  } catch {
    // It ended in between.
    return [];
  }
}

function stageOf({ job }: TrainerProcess): string {
  return job.split('/').slice(0, 2).join('/');
}
