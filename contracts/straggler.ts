/**
 * @module Who holds a gang back. All its ranks take the same time for an iteration, since they wait for each other; what
 * a host's ranks take by themselves, before they wait, tells them apart.
 */
import type { Progress } from './training.ts';

/** So many times what the others take by themselves: less is the difference of their batches. */
const TIMES = 1.3;
/** Share of an iteration that the gang would be spared without it: less is worth no one's attention. */
const SHARE = 0.1;

export interface Straggler {
  readonly host: string;
  readonly ownSeconds: number;
  /** Median of the other hosts. */
  readonly othersSeconds: number;
}

type HostPace = Pick<Progress, 'host' | 'secondsPerIteration' | 'ownSecondsPerIteration'>;

/** The own times are medians over many iterations, so this is no matter of a moment. */
export function findStraggler(hosts: readonly HostPace[]): Straggler | undefined {
  const [slowest, ...others] = hosts
    .flatMap(({ host, ownSecondsPerIteration: own }) => (own === undefined ? [] : [{ host, own }]))
    .sort((a, b) => b.own - a.own);
  const middle = others[Math.floor(others.length / 2)];
  const pace = hosts.find(
    ({ secondsPerIteration }) => secondsPerIteration !== undefined,
  )?.secondsPerIteration;
  if (slowest === undefined || middle === undefined || pace === undefined) return undefined;
  if (slowest.own <= TIMES * middle.own || slowest.own - middle.own < SHARE * pace) return undefined;
  return { host: slowest.host, ownSeconds: slowest.own, othersSeconds: middle.own };
}
