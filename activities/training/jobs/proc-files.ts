/**
 * @module The processes of this machine, as far as they belong to jobs.
 *
 * A process belongs to a job by the first of these that holds:
 * 1. its environment bears the job's mark: children inherit it whatever they do to their session, group or parent;
 * 2. its output or its errors go to the job's log: a program that gives itself another title overwrites its environment;
 * 3. a process that it descends from does: the shim is the subreaper of all that the trainer starts;
 * 4. it was seen to before: what showed it may be gone since, as its parents.
 *
 * A pid alone proves nothing: it may have been given to someone else.
 */
import { readdir, readFile, readlink } from 'node:fs/promises';
import { mapLimited } from '../../support/map-limited.ts';

/** Name of the variable that holds a job's folder. */
export const MARK = 'GLEE_JOB';
/** A name that a job's folder has one of. */
export const LOG_NAME = 'trainer.log';

/** There may be more processes than this one may open files. */
const READS_AT_ONCE = 16;
const KERNEL_THREAD = 0x0020_0000;

export interface JobProcess {
  readonly pid: number;
  /** Ticks since the boot: tells it from a later process with the same pid. */
  readonly start: number;
  readonly folder: string;
  readonly isShim: boolean;
}

/**
 * All of this machine.
 *
 * @throws when they cannot be read, as where this process may open no more files: a process that was not looked at may
 * be a trainer.
 */
export async function jobProcesses(): Promise<readonly JobProcess[]> {
  const pids = (await readdir('/proc')).flatMap((name) => (/^\d+$/.test(name) ? [Number(name)] : []));
  const seen = (await mapLimited(pids, READS_AT_ONCE, look)).flat();
  const byPid = new Map(seen.map((process) => [process.pid, process]));
  const found = seen.flatMap(({ pid, start, folder, parent, isShim }) => {
    const of = folder ?? folderOfAncestor(byPid, parent);
    return of === undefined ? [] : [{ pid, start, folder: of, isShim }];
  });
  // A shim's child is taken for a shim until it executes the trainer: that is asked again.
  trainers = new Map(found.filter(({ isShim }) => !isShim).map((process) => [process.pid, process]));
  return found;
}

/** What the last look has found, by pid. */
let trainers: ReadonlyMap<number, JobProcess> = new Map();

interface Seen {
  readonly pid: number;
  readonly start: number;
  readonly parent: number;
  readonly folder?: string;
  readonly isShim: boolean;
}

/** Empty for one that is gone, for a zombie, and for a thread of the kernel's. */
async function look(pid: number): Promise<Seen[]> {
  const stat = parseStat(await readOf(pid, 'stat'));
  if (stat === undefined) return [];
  const before = trainers.get(pid);
  if (before?.start === stat.start) return [{ ...before, ...stat }];
  const marked = await markOf(pid);
  const folder = marked?.folder ?? (await folderOfLog(pid));
  const isShim = marked?.isShim ?? false;
  return [{ pid, ...stat, isShim, ...(folder !== undefined && { folder }) }];
}

function parseStat(
  text: string | undefined,
): { readonly parent: number; readonly start: number } | undefined {
  // The program's name comes before, in parentheses, and may hold anything.
  const fields = text?.slice(text.lastIndexOf(')') + 2).split(' ') ?? [];
  const [state, parent] = fields;
  const [flags, start] = [Number(fields[6]), Number(fields[19])];
  if (parent === undefined || state === 'Z' || state === 'X' || (flags & KERNEL_THREAD) !== 0)
    return undefined;
  return { parent: Number(parent), start };
}

async function markOf(pid: number): Promise<Pick<JobProcess, 'folder' | 'isShim'> | undefined> {
  const environment = await readOf(pid, 'environ');
  const mark = environment?.split('\0').find((entry) => entry.startsWith(`${MARK}=`));
  if (mark === undefined) return undefined;
  const command = await readOf(pid, 'cmdline');
  // Both go when a process ends, one after the other: without this, an ending shim would pass for a trainer.
  if (command === undefined || command === '') return undefined;
  return { folder: mark.slice(MARK.length + 1), isShim: command.includes('trainer/shim.py') };
}

async function folderOfLog(pid: number): Promise<string | undefined> {
  for (const fd of [1, 2]) {
    const path = await known(readlink(`/proc/${pid}/fd/${fd}`));
    const folder = path === undefined ? undefined : LOG.exec(path)?.[1];
    if (folder !== undefined) return folder;
  }
  return undefined;
}

/** A log that a tidier of old files has removed is still written to. */
const LOG = new RegExp(String.raw`^(/.+)/${LOG_NAME.replace('.', String.raw`\.`)}(?: \(deleted\))?$`);

function folderOfAncestor(byPid: ReadonlyMap<number, Seen>, parent: number): string | undefined {
  const passed = new Set<number>();
  for (let pid = parent; !passed.has(pid);) {
    passed.add(pid);
    const process = byPid.get(pid);
    if (process === undefined) return undefined;
    if (process.folder !== undefined) return process.folder;
    pid = process.parent;
  }
  return undefined;
}

function readOf(pid: number, name: 'stat' | 'environ' | 'cmdline'): Promise<string | undefined> {
  return known(readFile(`/proc/${pid}/${name}`, 'utf8'));
}

/** Undefined for what a process does not show: it is gone, or someone else's. */
async function known(reading: Promise<string>): Promise<string | undefined> {
  try {
    return await reading;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'EMFILE' || code === 'ENFILE' || code === 'ENOMEM') throw error;
    return undefined;
  }
}
