/** @module A process that answers soon or is given up: the tools of a sick driver hang, and may survive SIGKILL. */
import { execa, ExecaError } from 'execa';
import { trainerEnvironment } from '../../planning/environment/trainer-environment.ts';
import { within } from '../support/time-limit.ts';

/** The program is not there, or may not be executed. */
export class NotStarted extends Error {}

export interface BriefRun {
  readonly limitMs: number;
  readonly signal: AbortSignal;
  /** Added to a trainer's environment, which has no keys to S3 or Temporal. */
  readonly env?: Readonly<Record<string, string>>;
}

/**
 * @returns What it printed.
 * @throws NotStarted, or another error when it fails or takes too long; the message names the program, and what it said
 * last.
 */
export async function runBriefly(
  file: string,
  args: readonly string[],
  { limitMs, signal, env = {} }: BriefRun,
): Promise<string> {
  // A group of its own, so that all that it starts can be ended with it.
  const child = execa(file, args, {
    detached: true,
    stdin: 'ignore',
    env: trainerEnvironment(env),
    extendEnv: false,
    maxBuffer: 16 << 20,
  });
  const answer = child.then(
    ({ stdout }) => stdout,
    (error: unknown) => {
      throw explain(file, error);
    },
  );
  try {
    return await within(limitMs, signal, (limit) => {
      const givenUp = new Promise<never>((_, reject) => {
        const why = () =>
          signal.aborted ? 'is not waited for any more' : `hangs: no answer within ${limitMs / 1000} s`;
        const giveUp = () => reject(new Error(`${file} ${why()}`));
        if (limit.aborted) giveUp();
        limit.addEventListener('abort', giveUp, { once: true });
      });
      return Promise.race([answer, givenUp]);
    });
  } catch (error) {
    endGroup(child.pid);
    throw error;
  } finally {
    answer.catch(() => undefined);
  }
}

function endGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Nothing of it is left.
  }
}

/** PyTorch puts its advice after the line that tells. */
const TELLS = /^\w*(\.\w+)*(Error|Exception)\b/;

function explain(file: string, error: unknown): Error {
  if (!(error instanceof ExecaError)) return new Error(`${file}: ${String(error)}`);
  if (error.code === 'ENOENT') return new NotStarted(`${file} is not on the PATH`);
  if (error.code === 'EACCES') return new NotStarted(`${file} may not be executed`);
  const lines = `${text(error.stdout)}\n${text(error.stderr)}`
    .split('\n')
    .filter((line) => line.trim() !== '');
  const line = lines.findLast((line) => TELLS.test(line)) ?? lines.at(-1);
  return new Error(`${file}: ${line?.trim() ?? error.shortMessage}`);
}

function text(output: unknown): string {
  return typeof output === 'string' ? output : '';
}
