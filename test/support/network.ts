/**
 * @module A stack whose servers and GPU hosts are machines of their own, with a network between them that can be cut.
 */
import { livingTrainers } from '../../activities/training/jobs/processes.ts';
import { createNetwork, type Machine, type Network } from '../../sandbox/network.ts';
import { HERE } from '../../sandbox/place.ts';
import type { GpuHost } from '../../sandbox/stack.ts';
import { startTestStack, type TestStack } from './stack.ts';

/** Four for the gang of joint/net-gang, and a spare one. */
const HOSTS = ['net-1', 'net-2', 'net-3', 'net-4', 'net-5'] as const;

/** Has the ranks of all four by itself, and a pool of its own so that no gang gets it. */
const ALONE = { ...HERE, name: 'alone', env: { GLEE_POOL: 'alone', GLEE_GPUS: '4' } };

export interface NetworkedHost extends GpuHost {
  readonly machine: Machine;
}

export interface NetworkedStack extends TestStack {
  readonly network: Network;
  readonly temporalMachine: Machine;
  readonly s3Machine: Machine;
  /** The machines with a GPU each. */
  readonly gang: readonly NetworkedHost[];
}

export async function startNetworkedStack(): Promise<NetworkedStack> {
  const network = await createNetwork(['temporal', 's3', ...HOSTS]);
  const [temporal, s3, ...hosts] = network.machines;
  try {
    if (temporal === undefined || s3 === undefined) throw new Error('the network has no machines');
    const stack = await startTestStack({
      gpusPerHost: 1,
      placement: { temporal, s3, hosts: [...hosts, ALONE] },
      // A gang that cannot meet is a rendezvous that failed, not a test that hangs.
      env: { SANDBOX_RENDEZVOUS_SECONDS: '20' },
    });
    return {
      ...stack,
      network,
      temporalMachine: temporal,
      s3Machine: s3,
      gang: stack.hosts.flatMap((host) => {
        const machine = hosts.find(({ name }) => name === host.name);
        return machine === undefined ? [] : [{ ...host, worker: host.worker, machine }];
      }),
      stop: async () => {
        for (const host of hosts) await network.plug(host).catch(() => undefined);
        await stack.stop();
        await network.remove();
      },
    };
  } catch (error) {
    await network.remove();
    throw error;
  }
}

/** As a power cut: the network first, so that no one hears of it. The machine does not come back. */
export async function destroyHost({ network }: NetworkedStack, host: NetworkedHost): Promise<void> {
  await network.unplug(host.machine);
  host.worker.kill('SIGKILL');
  const stopped = host.worker.stop();
  await network.destroy(host.machine);
  await stopped;
}

/** Pids of the trainers on a host, whichever job they are of; shims do not count. */
export async function trainersOn({ scratch }: GpuHost): Promise<number[]> {
  return [...(await livingTrainers())].flatMap(([folder, pids]) =>
    folder.startsWith(`${scratch}/`) ? pids : [],
  );
}
