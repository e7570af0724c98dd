/**
 * @module The embedded default: a Temporal server, an S3 server, a control worker and some GPU workers on pretended
 * hosts, all on this machine, each kept alive and each free to be killed.
 */
import { cp, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { execa } from 'execa';
import { listJobs } from '../activities/training/jobs/job.ts';
import { endTrainer } from '../activities/training/jobs/processes.ts';
import { foreignServiceVariables, pathProblem, quietAwsVersionWarning } from '../planning/environment/env.ts';
import { packageRoot } from '../planning/environment/package-root.ts';
import { channelArguments } from '../planning/environment/temporal-connection.ts';
import { keepAlive, type KeepAliveEvent, type KeptProcess } from './keep-alive.ts';
import { obtainServer } from './obtain.ts';
import { commandAt, HERE, type Place } from './place.ts';
import { startS3, startTemporal, type S3Server, type TemporalServer } from './servers.ts';

export interface StackOptions {
  /** Keeps data, logs and scratch folders; a later start on the same folder continues with them. */
  readonly directory: string;
  /** @default 2 */
  readonly hosts?: number;
  /** @default 2 */
  readonly gpusPerHost?: number;
  /** Machines of their own, in the place of `hosts` on this one. */
  readonly placement?: Placement;
  /** Added to the workers' environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** What is being done, for people: obtaining servers takes minutes the first time. */
  readonly onProgress?: (text: string) => void;
  readonly onEvent?: (event: KeepAliveEvent) => void;
  readonly signal?: AbortSignal;
}

/** Where the parts are that a network can come between; all else is on this machine. */
export interface Placement {
  readonly temporal: Place;
  readonly s3: Place;
  readonly hosts: readonly PlacedHost[];
}

export interface PlacedHost extends Place {
  readonly name: string;
  /** Added to its worker's environment, as GLEE_POOL. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface GpuHost {
  readonly name: string;
  readonly scratch: string;
  readonly worker: KeptProcess;
}

export interface Stack {
  readonly temporal: TemporalServer;
  readonly s3: S3Server;
  readonly control: KeptProcess;
  readonly hosts: readonly GpuHost[];
  readonly client: Client;
  /** What a command needs in its environment to work on this stack. */
  readonly env: Readonly<Record<string, string>>;
  /** Ends everything, trainers included. Harmless when repeated. */
  stop(): Promise<void>;
}

/** @throws when a server cannot be had or does not start; nothing is left running then. */
export async function startStack(options: StackOptions): Promise<Stack> {
  const { directory, onProgress, onEvent } = options;
  const placement = options.placement ?? onThisMachine(options);
  refuseUnsafeFolder(directory);
  quietAwsVersionWarning();
  const stops: (() => Promise<void>)[] = [];
  const stop = async () => {
    for (let next = stops.pop(); next !== undefined; next = stops.pop()) await next();
  };
  try {
    const { temporal, s3 } = await startServers(options, placement, stops);
    onProgress?.('making the data sets and weights of the sandbox');
    const env = { ...serverEnvironment(temporal, s3), ...(await makeCheckout(directory)), ...options.env };
    onProgress?.('starting the workers');
    const worker = startWorker(directory, env, onEvent);
    const control = worker({ ...HERE, name: 'control' }, ['control'], {});
    stops.push(() => control.stop());
    const hosts = placement.hosts.map((host) => startHost(options, host, worker));
    for (const host of hosts) stops.push(() => stopHost(host));
    const { address } = temporal;
    const connection = await Connection.connect({ address, channelArgs: channelArguments(address) });
    stops.push(() => connection.close());
    return {
      temporal,
      s3,
      control,
      hosts,
      client: new Client({ connection, namespace: temporal.namespace }),
      env,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** @param stops Gets what ends each server that has started. */
async function startServers(
  { directory, onProgress, onEvent, signal }: StackOptions,
  placement: Placement,
  stops: (() => Promise<void>)[],
) {
  const obtaining = { ...(onProgress && { onProgress }), ...(signal && { signal }) };
  const temporalPath = await obtainServer('temporal', obtaining);
  const s3Path = await obtainServer('versitygw', obtaining);
  onProgress?.('starting the servers');
  const common = { ...(onEvent && { onEvent }), ...(signal && { signal }) };
  const temporal = await startTemporal({
    ...common,
    directory: join(directory, 'temporal'),
    executable: temporalPath,
    place: placement.temporal,
  });
  stops.push(() => temporal.process.stop());
  const s3 = await startS3({
    ...common,
    directory: join(directory, 's3'),
    executable: s3Path,
    place: placement.s3,
    bucket: 'glee',
  });
  stops.push(() => s3.process.stop());
  return { temporal, s3 };
}

function startHost(
  { directory, gpusPerHost = 2 }: StackOptions,
  host: Placement['hosts'][number],
  worker: ReturnType<typeof startWorker>,
): GpuHost {
  const { name, address } = host;
  const scratch = join(directory, 'hosts', name);
  return {
    name,
    scratch,
    // Upgrades and ends: SIGTERM leaves at once.
    worker: worker(host, ['gpu', '--handover'], {
      GLEE_HOST: name,
      GLEE_SCRATCH: scratch,
      GLEE_ADDRESS: address,
      GLEE_GPUS: String(gpusPerHost),
      GLEE_PRETEND_GPUS: '1',
      ...host.env,
    }),
  };
}

function onThisMachine({ hosts = 2 }: StackOptions): Placement {
  const names = Array.from({ length: hosts }, (_, index) => `gpu-${index + 1}`);
  return { temporal: HERE, s3: HERE, hosts: names.map((name) => ({ ...HERE, name })) };
}

/** Before anything is started: each worker would end at once with the same reason in its log. */
function refuseUnsafeFolder(directory: string): void {
  const problem = pathProblem(directory);
  if (problem === undefined) return;
  throw new Error(
    `the sandbox cannot live in '${directory}': a path of GLEE's checkout or scratch folder ${problem}. Move the project to a folder without spaces and other special characters.`,
  );
}

/** The worker first, so that no one starts another trainer; a trainer would outlive it. */
async function stopHost({ scratch, worker }: GpuHost): Promise<void> {
  await worker.stop();
  for (const job of await listJobs(scratch)) await endTrainer(job);
}

function serverEnvironment(temporal: TemporalServer, s3: S3Server): Record<string, string> {
  return {
    TEMPORAL_ADDRESS: temporal.address,
    TEMPORAL_NAMESPACE: temporal.namespace,
    AWS_ENDPOINT_URL_S3: s3.endpoint,
    AWS_REGION: s3.region,
    AWS_ACCESS_KEY_ID: s3.accessKeyId,
    AWS_SECRET_ACCESS_KEY: s3.secretAccessKey,
    GLEE_BUCKET: s3.bucket,
    // For trying: a server of one's own on this machine.
    GLEE_ALLOW_PRIVATE_SOURCES: '127.0.0.1,localhost,::1',
  };
}

/** A copy of the sandbox's GLEE: what it generates does not belong in the work tree. */
async function makeCheckout(directory: string): Promise<Record<string, string>> {
  const checkout = join(directory, 'glee');
  const datasets = join(directory, 'datasets');
  await mkdir(directory, { recursive: true });
  await cp(join(packageRoot, 'sandbox/glee'), checkout, { recursive: true });
  await execa('python3', [join(checkout, 'make_datasets.py'), datasets]);
  await execa('python3', [join(checkout, 'make_weights.py'), checkout]);
  return { GLEE_CHECKOUT: checkout, DETECTRON2_DATASETS: datasets };
}

function startWorker(
  directory: string,
  env: Readonly<Record<string, string>>,
  onEvent: StackOptions['onEvent'],
) {
  const program = join(packageRoot, 'dist/workers/main.js');
  return (place: PlacedHost, args: readonly string[], more: Readonly<Record<string, string>>): KeptProcess =>
    keepAlive({
      name: place.name,
      ...commandAt(place, process.execPath, ['--enable-source-maps', program, ...args]),
      env: { ...foreignServiceVariables(), ...env, ...more },
      logFile: join(directory, 'logs', `${place.name}.log`),
      ...(onEvent && { onEvent }),
    });
}
