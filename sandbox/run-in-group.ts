import { execa } from 'execa';
import { dyingWithUs, endGroup } from './processes.ts';

const GRACE_MS = 3000;
const ERROR_LINES = 8;

export interface RunInGroupOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** Ends the command and all that it has started. */
  readonly signal: AbortSignal | undefined;
  /** Gets each line that the command prints to stderr. */
  readonly onLine?: (line: string) => void;
}

/**
 * Runs a command to its end in a process group of its own, and returns what it printed to stdout.
 * @throws with the end of its stderr when it fails; the signal's reason when that ended it.
 */
export async function runInGroup(
  command: string,
  args: readonly string[],
  { env, cwd, signal, onLine }: RunInGroupOptions,
): Promise<string> {
  signal?.throwIfAborted();
  const child = execa(...dyingWithUs(command, args), {
    ...(cwd !== undefined && { cwd }),
    env,
    extendEnv: false,
    stdin: 'ignore',
    *stderr(line: unknown) {
      onLine?.(String(line));
      yield line;
    },
    detached: true,
    reject: false,
    maxBuffer: 100_000_000,
  });
  let ending: Promise<void> | undefined;
  const end = () => {
    if (child.pid !== undefined) ending ??= endGroup(child.pid, GRACE_MS);
  };
  signal?.addEventListener('abort', end);
  try {
    const result = await child;
    await ending;
    signal?.throwIfAborted();
    if (!result.failed) return result.stdout;
    const tail = result.stderr.trimEnd().split('\n').slice(-ERROR_LINES).join('\n');
    throw new Error(tail === '' ? result.shortMessage : tail);
  } finally {
    signal?.removeEventListener('abort', end);
  }
}
