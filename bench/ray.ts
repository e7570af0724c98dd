/**
 * @module The peer: Ray Train, in a venv of the bench's own below the user's cache folder.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { packageRoot } from '../planning/environment/package-root.ts';
import { logTail } from '../sandbox/log-tail.ts';
import type { Machine } from '../sandbox/network.ts';
import { commandAt, HERE, type Place } from '../sandbox/place.ts';
import { killAndWait, type Blow, type Killed } from './kill.ts';
import { endMarked, markOf } from './marked.ts';
import type { TrainerEnv } from './own-start.ts';

const SHUTDOWN_MS = 15_000;

export interface RayOptions {
  readonly python: string;
  readonly trainerEnv: TrainerEnv;
  /** The config that the pipeline's trainer had. */
  readonly config: string;
  /** Ray's nodes, in the place of one on this machine: the first has no worker, the others room for one each. */
  readonly machines?: readonly Machine[];
  readonly blow?: Blow;
  readonly signal: AbortSignal;
}

/** Starts Ray and a training, kills one worker, waits until it continues, and ends Ray with all that belongs to it. */
export async function killUnderRay(options: RayOptions): Promise<Killed> {
  // Ray's sockets lie below: a longer path would not do.
  const folder = await mkdtemp('/tmp/glee-ray-');
  const mark = markOf(folder);
  const log = join(folder, 'driver.log');
  try {
    const output = join(folder, 'out');
    await mkdir(output);
    const config = join(folder, 'config.yaml');
    await writeFile(config, `_BASE_: "${options.config}"\nOUTPUT_DIR: "${output}"\n`);
    const beacon = join(folder, 'beacon.jsonl');
    const driver = await startDriver(
      options,
      { config, folder, log },
      { ...mark, GLEE_BENCH_BEACON: beacon },
    );
    try {
      return await killAndWait({ file: beacon, output, signal: options.signal }, 'Ray Train', options.blow);
    } catch (error) {
      options.signal.throwIfAborted();
      throw new Error(`${String(error)}; ${await logTail(log)}`, { cause: error });
    } finally {
      await endDriver(driver);
    }
  } finally {
    await endMarked(mark);
    await rm(folder, { recursive: true, force: true });
  }
}

const PORT = 6379;
/** The `ray` command: its script names a Python that has another name since. */
const COMMAND = ['-m', 'ray.scripts.scripts', 'start'];

async function startDriver(
  { python, trainerEnv, machines = [] }: RayOptions,
  { config, folder, log }: { readonly config: string; readonly folder: string; readonly log: string },
  more: Readonly<Record<string, string>>,
): Promise<ChildProcess> {
  const [head] = machines;
  const file = await open(log, 'a');
  const start = async (place: Place, command: string, args: readonly string[]) => {
    const at = commandAt(place, command, args);
    const child = spawn(at.command, at.args, {
      env: { ...process.env, ...trainerEnv, ...more, RAY_USAGE_STATS_ENABLED: '0' },
      detached: true,
      stdio: ['pipe', file.fd, file.fd],
    });
    await once(child, 'spawn');
    return child;
  };
  try {
    for (const machine of machines) {
      const node = await start(machine, python, nodeArguments(machine, head, folder));
      // It returns when the node is up; the node stays.
      await once(node, 'exit');
      if (node.exitCode !== 0) throw new Error(`ray start failed on ${machine.name}: ${await logTail(log)}`);
    }
    const script = [join(packageRoot, 'bench/peers/ray_recovery.py'), config, folder];
    const address = head === undefined ? [] : [`${head.address}:${PORT}`];
    return await start(head ?? HERE, python, [...script, ...address]);
  } finally {
    await file.close();
  }
}

/** Everything by default but where it lies and what it may use. */
function nodeArguments(machine: Machine, head: Machine | undefined, folder: string): string[] {
  const own = ['--node-ip-address', machine.address, '--object-store-memory', String(100 << 20)];
  if (machine !== head)
    return [...COMMAND, '--address', `${head?.address ?? ''}:${PORT}`, '--num-cpus', '1', ...own];
  const temporary = ['--temp-dir', join(folder, 'ray')];
  return [
    ...[...COMMAND, '--head', '--port', String(PORT), '--num-cpus', '0', '--include-dashboard', 'false'],
    ...temporary,
    ...own,
  ];
}

/** The end of its input is its word to shut Ray down. */
async function endDriver(driver: ChildProcess): Promise<void> {
  if (driver.exitCode !== null || driver.signalCode !== null) return;
  const exited = once(driver, 'exit', { signal: AbortSignal.timeout(SHUTDOWN_MS) });
  driver.stdin?.end();
  await exited.catch(() => driver.kill('SIGKILL'));
}
