/**
 * @module Where a storm takes place: the embedded servers and three hosts with two GPUs each, S3 behind a proxy that can
 * fail. As root, hosts are machines of a network that can be cut, and each has a small disk that can be filled.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { createNetwork, networkProblem, type Machine, type Network } from '../../sandbox/network.ts';
import { HERE } from '../../sandbox/place.ts';
import { startStack, type GpuHost, type Placement, type Stack } from '../../sandbox/stack.ts';
import { startFaultyProxy, type Fault, type ProxiedRequest } from '../support/faulty-proxy.ts';
import { noSmallDisk } from '../support/small-disk.ts';
import { writeConfigs } from './configs.ts';

const HOSTS = ['storm-1', 'storm-2', 'storm-3'] as const;
const DISK_MIB = 256;

export interface StormLab {
  readonly directory: string;
  readonly stack: Stack;
  /** Undefined where the machine lets us make none. */
  readonly network: Network | undefined;
  readonly smallDisks: boolean;
  /** What cannot be tried here, for people. */
  readonly skipped: readonly string[];
  /** Decides the fate of each request to S3; undefined: all reach it. */
  faultOf: ((request: ProxiedRequest) => Fault | undefined) | undefined;
  machineOf(host: GpuHost): Machine | undefined;
  stop(): Promise<void>;
}

export interface StormLabOptions {
  readonly directory: string;
  readonly signal: AbortSignal;
  readonly onProgress: (text: string) => void;
}

export async function startStormLab({ directory, ...options }: StormLabOptions): Promise<StormLab> {
  const stops: (() => Promise<unknown>)[] = [];
  const stop = async () => {
    for (let next = stops.pop(); next !== undefined; next = stops.pop()) await next();
  };
  try {
    const problem = await networkProblem();
    const network = problem === undefined ? await createNetwork(['temporal', 's3', ...HOSTS]) : undefined;
    if (network !== undefined) stops.push(() => network.remove());
    const smallDisks = noSmallDisk === false;
    if (smallDisks) stops.push(await mountDisks(directory));
    await writeConfigs(join(directory, 'configs'));
    const started: { stack?: Stack } = {};
    const fate: Pick<StormLab, 'faultOf'> = { faultOf: undefined };
    const address = network?.address ?? HERE.address;
    const target = () => started.stack?.s3.endpoint;
    const proxy = await startFaultyProxy(target, (request) => fate.faultOf?.(request), address);
    stops.push(() => proxy.stop());
    const stack = await startStack({
      ...options,
      directory,
      placement: placementIn(network),
      env: {
        AWS_ENDPOINT_URL_S3: proxy.endpoint,
        GLEE_CONFIG_DIR: join(directory, 'configs'),
        GLEE_S3_STALL_SECONDS: '3',
        SANDBOX_RENDEZVOUS_SECONDS: '20',
      },
    });
    started.stack = stack;
    stops.push(() => stack.stop());
    const machineOf = ({ name }: GpuHost) => network?.machines.find((machine) => machine.name === name);
    const skipped = [
      ...(problem === undefined ? [] : [problem]),
      ...(smallDisks ? [] : [String(noSmallDisk)]),
    ];
    return Object.assign(fate, { directory, stack, network, smallDisks, skipped, machineOf, stop });
  } catch (error) {
    await stop();
    throw error;
  }
}

export function diskOf({ directory }: Pick<StormLab, 'directory'>, host: string): string {
  return join(directory, 'hosts', host);
}

function placementIn(network: Network | undefined): Placement {
  const placeOf = (name: string) => network?.machines.find((machine) => machine.name === name) ?? HERE;
  const hosts = HOSTS.map((name) => ({ ...placeOf(name), name }));
  return { temporal: placeOf('temporal'), s3: placeOf('s3'), hosts };
}

/** Each host's scratch folder is a file system of its own. Returns what takes them away. */
async function mountDisks(directory: string): Promise<() => Promise<void>> {
  const folders = HOSTS.map((host) => diskOf({ directory }, host));
  for (const folder of folders) {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const options = `size=${DISK_MIB}m,mode=0700`;
    await execa('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', folder]);
  }
  return async () => {
    for (const folder of folders) await execa('umount', ['--lazy', folder], { reject: false });
  };
}
