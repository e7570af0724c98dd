/**
 * @module Processes and their groups. Every child of the sandbox leads a group of its own: a terminal's Ctrl-C then
 * reaches us alone, who stop the children in order, and whatever a child has started is ended with it.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 50;
const DEATH_DEADLINE_MS = 10_000;

/** Absolute, since the command may be given another PATH than ours. */
const SETPRIV = '/usr/bin/setpriv';

let setprivWorks: boolean | undefined;

/**
 * The same command, to be ended when this process dies. On Linux the kernel sends it SIGTERM then, even after our
 * SIGKILL, so that nothing is left running for ever: `setpriv` of util-linux asks for that and becomes the command,
 * under the same pid. Elsewhere the command is returned as it is, and would live on.
 */
export function dyingWithUs(command: string, args: readonly string[]): [string, readonly string[]] {
  const prefix = ['--pdeathsig', 'TERM', '--'];
  setprivWorks ??= spawnSync(SETPRIV, [...prefix, 'true']).status === 0;
  return setprivWorks ? [SETPRIV, [...prefix, command, ...args]] : [command, args];
}

/** Sends a signal to every process of a group. A group that is gone already is no error. */
export function signalGroup(groupId: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(-groupId, signal);
    return true;
  } catch {
    return false;
  }
}

/** Whether a process of the group runs. Zombies don't count: in a container no one may ever reap them. */
export function groupRuns(groupId: number): boolean {
  return signalGroup(groupId, 0) && listProcesses().some((one) => one.groupId === groupId);
}

/**
 * SIGTERM, then SIGKILL for what is left after the grace; returns when all are gone.
 * @throws when something survives even that (a process in uninterruptible sleep).
 */
export async function endGroup(groupId: number, graceMs: number): Promise<void> {
  signalGroup(groupId, 'SIGTERM');
  if (await groupEnds(groupId, graceMs)) return;
  signalGroup(groupId, 'SIGKILL');
  if (await groupEnds(groupId, DEATH_DEADLINE_MS)) return;
  throw new Error(`process group ${groupId} is still there ${DEATH_DEADLINE_MS} ms after SIGKILL`);
}

/** Tells a process from a later one with the same id; undefined when none with that id runs. */
export function processStartTime(pid: number): string | undefined {
  return listProcesses().find((one) => one.pid === pid)?.startTime;
}

async function groupEnds(groupId: number, withinMs: number): Promise<boolean> {
  const deadline = performance.now() + withinMs;
  while (groupRuns(groupId)) {
    if (performance.now() > deadline) return false;
    await sleep(POLL_MS);
  }
  return true;
}

interface ProcessFacts {
  readonly pid: number;
  readonly groupId: number;
  readonly startTime: string;
}

function listProcesses(): ProcessFacts[] {
  return existsSync('/proc/self/stat') ? listFromProc() : listFromPs();
}

function listFromProc(): ProcessFacts[] {
  return readdirSync('/proc').flatMap((entry) => {
    if (!/^\d+$/.test(entry)) return [];
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, 'utf8');
      // The command's name, in parentheses, may hold anything: count from the last one. See proc(5).
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      const [state = '', , groupId = ''] = fields;
      const startTime = fields[19] ?? '';
      return /[ZX]/.test(state) ? [] : [{ pid: Number(entry), groupId: Number(groupId), startTime }];
    } catch {
      return []; // It ended while we looked.
    }
  });
}

/** For macOS. */
function listFromPs(): ProcessFacts[] {
  const lines = execFileSync('ps', ['-A', '-o', 'pid=,pgid=,stat=,lstart='], { encoding: 'utf8' }).split(
    '\n',
  );
  return lines.flatMap((line) => {
    const [, pid, groupId, state = '', startTime = ''] = /(\d+)\s+(\d+)\s+(\S+)\s+(.+)/.exec(line) ?? [];
    return pid === undefined || state.startsWith('Z')
      ? []
      : [{ pid: Number(pid), groupId: Number(groupId), startTime: startTime.trim().replace(/\W+/g, '.') }];
  });
}
