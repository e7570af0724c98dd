/**
 * @module `recovery`, the part that needs hosts with a network between them: what watches a rank is killed, or its host
 * is cut off. Both ours and Ray Train have two hosts that train and a spare one, each a network namespace.
 */
import { readFile } from 'node:fs/promises';
import { createNetwork, networkProblem, type Machine, type Network } from '../sandbox/network.ts';
import type { Sign } from './beacon.ts';
import type { Blow, Killed } from './kill.ts';
import type { BenchOptions } from './measure.ts';
import { startPipeline, type Pipeline } from './pipeline.ts';
import type { RayPython } from './ray-venv.ts';
import { killUnderRay } from './ray.ts';
import { messageOf } from '../contracts/error-message.ts';

export type HostFault = 'worker' | 'unreachable';

export interface HostRound {
  readonly fault: HostFault;
  readonly ours: Killed;
  readonly peer: Killed | undefined;
}

const OURS = ['temporal', 's3', 'gpu-1', 'gpu-2', 'gpu-3'] as const;
const PEERS = ['ray-head', 'ray-1', 'ray-2', 'ray-3'] as const;

export async function measureHosts(
  faults: readonly HostFault[],
  ray: RayPython | undefined,
  options: BenchOptions & { readonly shown: (killed: Killed) => string },
): Promise<readonly HostRound[]> {
  const { progress, runs, shown } = options;
  const problem = await networkProblem();
  if (problem !== undefined) progress(`${problem}; the cases of hosts are left out`);
  if (problem !== undefined || faults.length === 0) return [];
  const network = await createNetwork([...OURS, ...PEERS]);
  try {
    const pipeline = await startNetworked(network, options);
    const rounds: HostRound[] = [];
    try {
      for (let run = 1; run <= runs; run += 1) {
        for (const fault of faults) {
          const ours = await pipeline.kill(
            `${fault}-${run}`,
            'joint/bench-hosts',
            ourBlow(network, pipeline, fault),
          );
          await plugAll(network);
          progress(`ours, ${fault}: ${shown(ours)}`);
          rounds.push({
            fault,
            ours,
            peer: ray && (await measurePeer(network, pipeline, ray, fault, options)),
          });
        }
      }
    } finally {
      await pipeline.stop();
    }
    return rounds;
  } finally {
    await network.remove();
  }
}

async function startNetworked({ machines }: Network, { signal, progress }: BenchOptions): Promise<Pipeline> {
  const [temporal, s3, ...others] = machines;
  if (temporal === undefined || s3 === undefined) throw new Error('the network has no machines');
  const hosts = others.filter(({ name }) => name.startsWith('gpu-'));
  return startPipeline({
    hosts: hosts.length,
    gpusPerHost: 1,
    placement: { temporal, s3, hosts },
    signal,
    progress,
  });
}

function ourBlow(network: Network, { hosts }: Pipeline, fault: HostFault): Blow {
  return {
    survives: fault === 'worker',
    strike: async (victim) => {
      const machine = await machineOf(network, victim);
      if (fault === 'unreachable') await network.unplug(machine);
      else hosts.find(({ name }) => name === machine.name)?.worker.kill('SIGKILL');
    },
  };
}

/** A measurement of the peer that fails is missing from the median; ours are not lost with it. */
async function measurePeer(
  network: Network,
  pipeline: Pipeline,
  { python, name }: RayPython,
  fault: HostFault,
  { signal, progress, shown }: BenchOptions & { readonly shown: (killed: Killed) => string },
): Promise<Killed | undefined> {
  const machines = network.machines.filter((machine) => machine.name.startsWith('ray-'));
  const blow: Blow = {
    strike: async (victim) => {
      const machine = await machineOf(network, victim);
      if (fault === 'unreachable') await network.unplug(machine);
      else process.kill(await rayletOn(network, machine), 'SIGKILL');
    },
  };
  try {
    const { trainerEnv } = pipeline;
    const killed = await killUnderRay({
      ...{ python, trainerEnv, config: await pipeline.config(), signal },
      ...{ machines, blow },
    });
    progress(`${name}, ${fault}: ${shown(killed)}`);
    return killed;
  } catch (error) {
    signal.throwIfAborted();
    progress(`${name} could not be measured: ${messageOf(error)}`);
    return undefined;
  } finally {
    await plugAll(network);
  }
}

async function plugAll(network: Network): Promise<void> {
  for (const machine of network.machines) await network.plug(machine);
}

async function machineOf(network: Network, { pid }: Sign): Promise<Machine> {
  for (const machine of network.machines) {
    if ((await network.pids(machine)).includes(pid)) return machine;
  }
  throw new Error(`process ${pid} runs on no machine of the network`);
}

/** What watches Ray's workers on a node. */
async function rayletOn(network: Network, machine: Machine): Promise<number> {
  for (const pid of await network.pids(machine)) {
    const [command = ''] = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0');
    if (command.endsWith('/raylet')) return pid;
  }
  throw new Error(`no raylet runs on ${machine.name}`);
}
