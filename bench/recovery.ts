/**
 * @module `recovery`: how long a training stands still after SIGKILL to one of its ranks or to what watches it, or after
 * one of its hosts was cut off, and how much it repeats.
 *
 * Ours and Ray Train run the same trainer on the same data with two ranks, in turns. The clock starts at the SIGKILL
 * and stops when rank 0 of the restarted gang has finished an iteration, which both say by the same line of a file.
 */
import { loadText } from './machine.ts';
import { recoverySeconds, type Killed } from './kill.ts';
import type { Bench, BenchOptions, Case } from './measure.ts';
import { startPipeline, type Pipeline } from './pipeline.ts';
import { obtainRay, type RayPython } from './ray-venv.ts';
import { killUnderRay } from './ray.ts';
import { RECOVERY_CASES, recoveryCases, type Ours, type Round } from './recovery-cases.ts';
import { measureHosts, type HostFault } from './recovery-hosts.ts';
import { showTimeline } from './timeline.ts';
import { messageOf } from '../contracts/error-message.ts';

/** How the two ranks are spread, by the beginning of the cases' names. Ray's two workers are on one node in both. */
const CONFIGS = { trainer: 'joint/bench', gang: 'joint/bench-gang' } as const;

export const recovery: Bench = {
  about: 'a rank killed, its watcher killed, its host cut off; the same small trainer under both',
  cases: RECOVERY_CASES,
  run: measureRecovery,
};

/** Faults of hosts, by the beginning of their case's name. */
const HOST_FAULTS = { 'worker-sigkill': 'worker', 'host-unreachable': 'unreachable' } as const;

async function measureRecovery(options: BenchOptions): Promise<readonly Case[]> {
  const { only } = options;
  const ray = options.withPeer ? await rayIfThere(options) : undefined;
  const faults = Object.entries(HOST_FAULTS).flatMap(([name, fault]): HostFault[] =>
    only === undefined || only === name ? [fault] : [],
  );
  const ofHosts = only !== undefined && faults.length > 0;
  const rounds = ofHosts ? [] : await measureRanks(ray, options);
  const hostRounds = await measureHosts(faults, ray, { ...options, shown });
  return recoveryCases(rounds, hostRounds, ray?.name ?? null);
}

async function measureRanks(ray: RayPython | undefined, options: BenchOptions): Promise<readonly Round[]> {
  const { runs, only, signal, progress } = options;
  const wanted = (gang: keyof typeof CONFIGS) =>
    only === undefined || only.startsWith('gang') === (gang === 'gang');
  const pipeline = await startPipeline({ hosts: 2, gpusPerHost: 2, signal, progress });
  const rounds: Round[] = [];
  try {
    for (let run = 1; run <= runs; run += 1) {
      progress(`round ${run} of ${runs}; ${loadText()}`);
      rounds.push({
        trainer: wanted('trainer') ? await measureOurs(pipeline, 'trainer', run, options) : undefined,
        gang: wanted('gang') ? await measureOurs(pipeline, 'gang', run, options) : undefined,
        peer: ray && (await measurePeer(pipeline, ray, options)),
      });
    }
  } finally {
    await pipeline.stop();
  }
  return rounds;
}

async function rayIfThere({ progress, signal }: BenchOptions): Promise<RayPython | undefined> {
  try {
    return await obtainRay(progress, signal);
  } catch (error) {
    signal.throwIfAborted();
    progress(`no Ray Train here, so no peer: ${messageOf(error)}`);
    return undefined;
  }
}

async function measureOurs(
  pipeline: Pipeline,
  gang: keyof typeof CONFIGS,
  run: number,
  { progress }: BenchOptions,
): Promise<Ours> {
  const { timeline, ...killed } = await pipeline.kill(`${gang}-${run}`, CONFIGS[gang]);
  const ownStart = await pipeline.ownStart(`${gang}-${run}`);
  progress(
    `ours, ${gang}: ${shown(killed)}; the trainer's own start ${ownStart.toFixed(2)} s\n${showTimeline(timeline)}`,
  );
  return { ...killed, ownStart };
}

/** A measurement of the peer that fails is missing from the median; ours are not lost with it. */
async function measurePeer(
  pipeline: Pipeline,
  { python, name }: RayPython,
  { signal, progress }: BenchOptions,
): Promise<Killed | undefined> {
  try {
    const { trainerEnv } = pipeline;
    const killed = await killUnderRay({ python, trainerEnv, config: await pipeline.config(), signal });
    progress(`${name}: ${shown(killed)}`);
    return killed;
  } catch (error) {
    signal.throwIfAborted();
    progress(`${name} could not be measured: ${messageOf(error)}`);
    return undefined;
  }
}

function shown(killed: Killed): string {
  const { repeated, unsaved } = killed;
  return `${recoverySeconds(killed).toFixed(2)} s, ${repeated} iterations repeated, ${unsaved} since the last checkpoint was saved`;
}
