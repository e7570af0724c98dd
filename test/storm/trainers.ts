/**
 * @module Invariants of processes: no GPU has trainers of two jobs, and no stage has trainers of two attempts, for longer
 * than it takes to end the older one while its host is well; and a stage's newer trainer has the larger token.
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
  readonly #tokens = new Tokens();

  constructor(disturbances: Disturbances) {
    this.#disturbances = disturbances;
  }

  check(processes: readonly TrainerProcess[]): readonly Violation[] {
    const lasting = new Map<string, { excused: boolean }>();
    const isQuiet = (hosts: readonly string[]) =>
      ['S3', 'Temporal', 'control worker', ...hosts].every((part) => this.#disturbances.isQuiet(part));
    for (const { key, hosts } of conflictsAmong(processes)) lasting.set(key, { excused: !isQuiet(hosts) });
    // A worker that was frozen after its last look at the head may start an older attempt, and ends it.
    const late = this.#tokens.fallen(processes).filter(({ host }) => isQuiet([host]));
    return [
      ...this.#stopwatches
        .over(lasting, MOST_SECONDS)
        .map((key) => ({ rule: 'one trainer', text: `${key} for more than ${MOST_SECONDS} s` })),
      ...late.map(({ host, job }) => ({
        rule: 'token never falls',
        text: `${job} was started on ${host} after a newer attempt`,
      })),
    ];
  }
}

/** The largest token of each stage for which a process was seen. */
export class Tokens {
  readonly #largest = new Map<string, number>();
  readonly #seen = new Set<string>();

  /** Those that are seen for the first time, and have a token below the largest. */
  fallen(processes: readonly TrainerProcess[]): readonly TrainerProcess[] {
    const jobs = new Map(processes.map((one) => [`${one.host}:${one.job}`, one]));
    const begun = [...jobs].filter(([key]) => !this.#seen.has(key)).map(([, one]) => one);
    const fallen = begun.filter((one) => tokenOf(one) < (this.#largest.get(stageOf(one)) ?? 0));
    for (const key of jobs.keys()) this.#seen.add(key);
    for (const one of begun)
      this.#largest.set(stageOf(one), Math.max(tokenOf(one), this.#largest.get(stageOf(one)) ?? 0));
    return fallen;
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
    const environment = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
    const of = (name: string) =>
      environment.find((entry) => entry.startsWith(`${name}=`))?.slice(name.length + 1);
    const folder = of('GLEE_JOB');
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
    if (folder === undefined || command === '') return [];
    const state = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /s, '')[0];
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

function tokenOf({ job }: TrainerProcess): number {
  return Number(job.split('/')[2]);
}
