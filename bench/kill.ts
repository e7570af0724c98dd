/**
 * @module The same blow for ours and for the peer, in the middle between two checkpoints: SIGKILL to rank 1, or whatever
 * else befalls the host that it is on.
 */
import { readSigns, waitForIteration, type Sign, type Wait } from './beacon.ts';

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

export interface Blow {
  /** @default SIGKILL to it */
  readonly strike?: (victim: Sign) => Promise<void>;
  /** True: the trainer itself lives through it, so its longest pause in the iterations after counts. @default false */
  readonly survives?: boolean;
}

/** Waits for the moment, strikes, and waits for the first iteration that rank 0 finishes after it, again or still. */
export async function killAndWait(where: Omit<Wait, 'what'>, name: string, blow: Blow = {}): Promise<Killed> {
  const { strike = kill, survives = false } = blow;
  const victim = await waitForIteration(
    { ...where, what: `iteration ${KILL_AFTER} of ${name}` },
    ({ rank, iteration }) => rank === VICTIM && iteration + 1 >= KILL_AFTER,
  );
  const killedAt = Date.now();
  await strike(victim);
  const before = new Set((await readSigns(where.file, where.output)).map(({ pid }) => pid));
  const first = await waitForIteration(
    { ...where, what: `${name}'s first iteration after the kill` },
    ({ rank, pid, at }) => rank === 0 && (survives ? at > killedAt : !before.has(pid)),
  );
  if (survives) return pauseOf(where, name, { killedAt, victim });
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

/** Iterations in which a trainer that lives through the blow must show it: what watched it is back within them. */
const WATCHED = 100;

/** Nothing is repeated, and the time to recover is the longest between two iterations. */
async function pauseOf(
  where: Omit<Wait, 'what'>,
  name: string,
  { killedAt, victim }: { readonly killedAt: number; readonly victim: Sign & { readonly iteration: number } },
): Promise<Killed> {
  const last = await waitForIteration(
    { ...where, what: `${name} to train on` },
    ({ rank, iteration }) => rank === 0 && iteration >= victim.iteration + WATCHED,
  );
  const times = (await readSigns(where.file, where.output)).flatMap(({ event, rank, at }) =>
    event === 'iteration' && rank === 0 && at <= last.at ? [at] : [],
  );
  const pauses = times.flatMap((at, index) => (at > killedAt ? [at - (times[index - 1] ?? at)] : []));
  const firstIterationAt = killedAt + Math.max(...pauses);
  return { killedAt, firstIterationAt, readyAt: killedAt, repeated: 0, unsaved: 0 };
}

function kill({ pid }: Sign): Promise<void> {
  process.kill(pid, 'SIGKILL');
  return Promise.resolve();
}
