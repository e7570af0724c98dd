/**
 * @module The same blow for ours and for the peer: SIGKILL to rank 1, in the middle between two checkpoints.
 */
import { readSigns, waitForIteration, type Wait } from './beacon.ts';

/** As bench/configs/joint/bench.yaml has it. */
const CHECKPOINT_PERIOD = 20;
/** Iterations done when the blow falls: 10 more than the third checkpoint has. */
const KILL_AFTER = 3 * CHECKPOINT_PERIOD + CHECKPOINT_PERIOD / 2;
const VICTIM = 1;

export interface Killed {
  /** Epoch milliseconds of the SIGKILL. */
  readonly killedAt: number;
  /** Epoch milliseconds at which rank 0 of the restarted gang had finished an iteration. */
  readonly firstIterationAt: number;
  /** Epoch milliseconds at which it was about to begin it. */
  readonly readyAt: number;
  /** Iterations that were done before and were run again. */
  readonly repeated: number;
  /** Iterations since the last checkpoint that was saved before: no recovery could repeat fewer. */
  readonly unsaved: number;
}

/** Seconds from the SIGKILL to the first iteration of the restarted gang. */
export function recoverySeconds({ killedAt, firstIterationAt }: Killed): number {
  return (firstIterationAt - killedAt) / 1000;
}

/** Waits for the moment, kills, and waits for the first iteration that a new process of rank 0 finishes. */
export async function killAndWait(where: Omit<Wait, 'what'>, name: string): Promise<Killed> {
  const victim = await waitForIteration(
    { ...where, what: `iteration ${KILL_AFTER} of ${name}` },
    ({ rank, iteration }) => rank === VICTIM && iteration + 1 >= KILL_AFTER,
  );
  const killedAt = Date.now();
  process.kill(victim.pid, 'SIGKILL');
  const before = new Set((await readSigns(where.file, where.output)).map(({ pid }) => pid));
  const first = await waitForIteration(
    { ...where, what: `${name}'s first iteration after the kill` },
    ({ rank, pid }) => rank === 0 && !before.has(pid),
  );
  const signs = await readSigns(where.file, where.output);
  const done = Math.max(
    ...signs.flatMap(({ rank, pid, iteration = -1 }) =>
      rank === 0 && before.has(pid) ? [iteration + 1] : [],
    ),
  );
  const ready = signs.find(({ event, rank, pid }) => event === 'ready' && rank === 0 && pid === first.pid);
  return {
    killedAt,
    firstIterationAt: first.at,
    readyAt: ready?.at ?? first.at,
    repeated: done - first.iteration,
    unsaved: done % CHECKPOINT_PERIOD,
  };
}
