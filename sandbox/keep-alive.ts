/**
 * @module Keeps a child process running: a server or a worker that dies is started again with the same command, as
 * systemd would do for the real ones, so that the demo may kill any of them.
 */
import { spawn } from 'node:child_process';
import { appendFileSync, closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { logTail } from './log-tail.ts';
import { dyingWithUs, endGroup, signalGroup } from './processes.ts';

/** A child that lived shorter than this did not start properly. */
const QUICK_DEATH_MS = 1000;
const QUICK_DEATHS_TO_GIVE_UP = 5;

export interface KeepAliveOptions {
  /** For messages. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** Laid over this process's own environment; undefined removes a variable. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** Gets what the child prints, appended. */
  readonly logFile: string;
  /** From a death to the next start. @default 200 */
  readonly restartDelayMs?: number;
  /** From SIGTERM to SIGKILL when it is stopped. @default 10_000 */
  readonly graceMs?: number;
  /** Called for the first start already before keepAlive returns. */
  readonly onEvent?: (event: KeepAliveEvent) => void;
}

export type KeepAliveEvent =
  | { readonly type: 'started'; readonly name: string; readonly pid: number }
  | { readonly type: 'exited'; readonly name: string; readonly pid: number; readonly how: string }
  | { readonly type: 'gaveUp'; readonly name: string; readonly error: Error };

export interface KeptProcess {
  readonly name: string;
  readonly logFile: string;
  /** Undefined between a death and the next start. */
  readonly pid: number | undefined;
  /** Signals the child, which is started again should it die of it. False when there is none at the moment. */
  kill(signal: NodeJS.Signals): boolean;
  /** Ends the child and all of its group; they are gone when this returns. Harmless when repeated. */
  stop(): Promise<void>;
  /** Why it is not started any more, when it died again and again. */
  readonly gaveUp: Error | undefined;
}

/** Starts the command at once, and again whenever it ends without having been stopped. */
export function keepAlive(options: KeepAliveOptions): KeptProcess {
  const { name, logFile, restartDelayMs = 200, graceMs = 10_000, onEvent } = options;
  const stop = new AbortController();
  let child: Child | undefined;
  let gaveUp: Error | undefined;
  const ended = run().catch(giveUp);

  async function run(): Promise<void> {
    let quickDeaths = 0;
    while (!stop.signal.aborted) {
      quickDeaths = (await diesQuickly()) ? quickDeaths + 1 : 0;
      if (quickDeaths === QUICK_DEATHS_TO_GIVE_UP) throw new Error(await crashLoopMessage(options));
      await sleep(restartDelayMs, undefined, { signal: stop.signal }).catch(() => undefined);
    }
  }

  /** Runs the command once; whether it ended by itself right after its start. */
  async function diesQuickly(): Promise<boolean> {
    const startedAt = performance.now();
    const current = start(options);
    child = current;
    const { pid } = current;
    if (pid !== undefined) onEvent?.({ type: 'started', name, pid });
    const how = await current.ended;
    const quick = performance.now() - startedAt < QUICK_DEATH_MS;
    child = undefined;
    if (pid !== undefined) {
      // What the dead child leaves in its group would hold its ports. (A trainer has a session of its own.)
      if (!stop.signal.aborted) signalGroup(pid, 'SIGKILL');
      onEvent?.({ type: 'exited', name, pid, how });
    }
    // SIGKILL is someone's doing and says nothing about the command.
    return quick && how !== 'SIGKILL' && !stop.signal.aborted;
  }

  function giveUp(error: unknown): void {
    gaveUp = error instanceof Error ? error : new Error(String(error));
    onEvent?.({ type: 'gaveUp', name, error: gaveUp });
  }

  return {
    name,
    logFile,
    get pid() {
      return child?.pid;
    },
    get gaveUp() {
      return gaveUp;
    },
    kill(signal) {
      return child?.kill(signal) ?? false;
    },
    async stop() {
      stop.abort();
      if (child?.pid !== undefined) await endGroup(child.pid, graceMs);
      await ended;
    },
  };
}

interface Child {
  /** Undefined when it could not be started at all. */
  readonly pid: number | undefined;
  /** Resolves with how it ended. */
  readonly ended: Promise<string>;
  kill(signal: NodeJS.Signals): boolean;
}

function start(options: KeepAliveOptions): Child {
  mkdirSync(dirname(options.logFile), { recursive: true });
  // The file itself, not a pipe through us: should we die, the child must not choke on a broken pipe. (So no execa.)
  const log = openSync(options.logFile, 'a');
  const [command, args] = dyingWithUs(options.command, options.args);
  const env = { ...process.env, ...options.env };
  const child = spawn(command, args, { cwd: options.cwd, env, detached: true, stdio: ['ignore', log, log] });
  closeSync(log);
  const ended = new Promise<string>((resolve) => {
    child.once('exit', (code, signal) => resolve(signal ?? `exit status ${code ?? 'unknown'}`));
    child.once('error', (error) => {
      appendFileSync(options.logFile, `${error.message}\n`);
      resolve(error.message);
    });
  });
  return { pid: child.pid, ended, kill: (signal) => child.kill(signal) };
}

async function crashLoopMessage({ name, logFile }: KeepAliveOptions): Promise<string> {
  const times = `${QUICK_DEATHS_TO_GIVE_UP} times, each within ${QUICK_DEATH_MS} ms of its start`;
  return `${name} ended ${times}; ${await logTail(logFile)}`;
}
