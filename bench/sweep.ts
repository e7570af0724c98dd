/**
 * @module `sweep`: how long a sweep takes besides its trials, against Ray Tune, and how long histories become when
 * trials are thousands. The sweep, Temporal and S3 are the real ones; a trial starts one process, which does nothing.
 */
import { DefaultLogger, Runtime } from '@temporalio/worker';
import { loadText } from './machine.ts';
import type { Bench, BenchOptions, Case } from './measure.ts';
import { obtainRay } from './ray-venv.ts';
import { tuneNothing } from './ray-tune.ts';
import { pythonStarter, startSweepLab, type SweepLab } from './sweep-lab.ts';

const CASES = {
  'empty-trials': '100 trials that do nothing, four at a time, from the start of the sweep to its end',
  'many-trials': '2,000 trials that rest at rungs, without a process: seconds to their end',
  'many-trials-history': 'events of the longest history of a workflow meanwhile',
} as const;

const [EMPTY, MANY] = [100, 2000];

export const sweep: Bench = {
  about: 'trials that do nothing, a hundred against Ray Tune, and thousands',
  cases: CASES,
  run: measureSweep,
};

async function measureSweep(options: BenchOptions): Promise<readonly Case[]> {
  const { only } = options;
  // The lab ends its workers itself, before its servers.
  Runtime.install({ logger: new DefaultLogger('ERROR'), shutdownSignals: [] });
  // Of thousands the histories count, not the processes.
  const startPython = await pythonStarter();
  const trial = ({ run }: { readonly run: string }) =>
    run.startsWith('many.') ? Promise.resolve() : startPython();
  const lab = await startSweepLab({ trial });
  try {
    const empty = only === undefined || only === 'empty-trials' ? [await measureEmpty(lab, options)] : [];
    const many = only === undefined || only.startsWith('many-trials') ? await measureMany(lab, options) : [];
    return [...empty, ...many];
  } finally {
    await lab.stop();
  }
}

async function measureEmpty(
  lab: SweepLab,
  { runs, withPeer, signal, progress }: BenchOptions,
): Promise<Case> {
  const ray = withPeer ? await obtainRay(progress, signal) : undefined;
  const [ours, peer]: [number[], number[]] = [[], []];
  for (let run = 1; run <= runs; run += 1) {
    signal.throwIfAborted();
    const { seconds, result } = await timed(lab, `empty-${run}`, 'sweeps/empty-trials', signal);
    if (result.counts.finished !== EMPTY) throw new Error(`ended as ${JSON.stringify(result.counts)}`);
    ours.push(seconds);
    progress(`ours: ${perSecond(EMPTY, seconds)}; ${loadText()}`);
    if (ray === undefined) continue;
    const theirs = await tuneNothing(ray.python, EMPTY, signal);
    peer.push(theirs);
    progress(`Ray Tune: ${perSecond(EMPTY, theirs)}; ${loadText()}`);
  }
  const peerName = ray === undefined ? null : ray.name.replace('Train', 'Tune');
  return { bench: 'sweep', case: 'empty-trials', unit: 's', ours, peer, peerName };
}

async function measureMany(lab: SweepLab, { signal, progress }: BenchOptions): Promise<readonly Case[]> {
  const { seconds, result } = await timed(lab, 'many', 'sweeps/many-trials', signal);
  const { finished, stopped, failed } = result.counts;
  if (finished + stopped !== MANY) throw new Error(`ended as ${JSON.stringify(result.counts)}`);
  const histories = await lab.histories();
  const [longest] = histories;
  const executions = histories.filter(({ workflow }) => workflow === 'many').length;
  progress(
    `${perSecond(MANY, seconds)}: ${finished} finished, ${stopped} stopped, ${failed} failed; ${executions} executions of the sweep, the longest history has ${longest?.events} events; ${loadText()}`,
  );
  const one = (name: keyof typeof CASES, unit: string, ours: number): Case => ({
    ...{ bench: 'sweep', case: name, unit, ours: [ours], peer: [], peerName: null },
  });
  return [
    one('many-trials', 's', seconds),
    one('many-trials-history', 'events', longest?.events ?? Number.NaN),
  ];
}

async function timed(lab: SweepLab, id: string, config: string, signal: AbortSignal) {
  const began = performance.now();
  const handle = await lab.start(id, config);
  const result = await lab.client.withAbortSignal(signal, () => handle.result());
  return { seconds: (performance.now() - began) / 1000, result };
}

function perSecond(trials: number, seconds: number): string {
  return `${trials} trials in ${seconds.toFixed(2)} s, ${(trials / seconds).toFixed(2)} a second`;
}
