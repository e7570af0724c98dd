/**
 * @module The embedded servers, each kept alive on its ports and its data: Temporal's dev server on SQLite, and
 * versitygw, which speaks S3 over plain files. Both listen on 127.0.0.1 only, where nothing else is said.
 */
import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  BucketAlreadyExists,
  BucketAlreadyOwnedByYou,
  CreateBucketCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { Connection } from '@temporalio/client';
import { channelArguments } from '../planning/environment/temporal-connection.ts';
import { keepAlive, type KeepAliveEvent, type KeptProcess } from './keep-alive.ts';
import { commandAt, HERE, type Place } from './place.ts';
import { freePort, untilReady } from './server-start.ts';

export interface ServerOptions {
  /** Keeps the server's data and log; a later start on the same folder continues with them. */
  readonly directory: string;
  /** From obtainServer. */
  readonly executable: string;
  /** @default 127.0.0.1 */
  readonly place?: Place;
  readonly onEvent?: (event: KeepAliveEvent) => void;
  /** Gives up a start that is under way; a server that runs is ended by its `process.stop()`. */
  readonly signal?: AbortSignal | undefined;
}

export interface TemporalServer {
  /** host:port of the gRPC frontend. */
  readonly address: string;
  readonly uiUrl: string;
  readonly namespace: string;
  readonly process: KeptProcess;
}

/**
 * Made for a single process. Names and defaults: common/dynamicconfig/constants.go of Temporal's server.
 */
const DYNAMIC_CONFIG = {
  // At 20 a second, each task of a workflow waits for up to 50 ms before it is handed on.
  'history.transferProcessorMaxPollRPS': 100,
  // At 1, a second query to a workflow that is at work is refused, and its client waits 1 to 10 s before it asks again.
  'history.MaxBufferedQueryCount': 100,
};

/** @throws when it does not serve within a minute, with the end of its log; nothing is left running then. */
export async function startTemporal(options: ServerOptions): Promise<TemporalServer> {
  await mkdir(options.directory, { recursive: true });
  const place = options.place ?? HERE;
  const port = await freePort();
  const uiPort = await freePort();
  const database = join(options.directory, 'temporal.sqlite');
  const server = keepAlive({
    name: 'temporal',
    ...commandAt(place, options.executable, [
      ...['server', 'start-dev', '--ip', listenAt(place), '--port', `${port}`, '--ui-port', `${uiPort}`],
      ...['--db-filename', database, '--log-level', 'error'],
      // Nearly three times the throughput. Survives SIGKILL; only a power cut may lose the last transactions.
      ...['--sqlite-pragma', 'journal_mode=WAL', '--sqlite-pragma', 'synchronous=1'],
      ...Object.entries(DYNAMIC_CONFIG).flatMap(([key, value]) => [
        '--dynamic-config-value',
        `${key}=${value}`,
      ]),
    ]),
    logFile: join(options.directory, 'temporal.log'),
    ...(options.onEvent && { onEvent: options.onEvent }),
  });
  const address = `${place.address}:${port}`;
  const namespace = 'default';
  await untilReady(server, { place, port }, () => probeTemporal(address, namespace), options.signal);
  return { address, uiUrl: `http://${place.address}:${uiPort}`, namespace, process: server };
}

export interface S3Server {
  readonly endpoint: string;
  readonly region: string;
  /** Made again at each start; never in a log or on a command line. */
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly bucket: string;
  readonly process: KeptProcess;
}

/** @throws when it does not answer within a minute, with the end of its log; nothing is left running then. */
export async function startS3(options: ServerOptions & { readonly bucket: string }): Promise<S3Server> {
  const objects = join(options.directory, 'objects');
  await mkdir(objects, { recursive: true });
  const place = options.place ?? HERE;
  const port = await freePort();
  const accessKeyId = `GLEE${randomBytes(8).toString('hex').toUpperCase()}`;
  const secretAccessKey = randomBytes(30).toString('base64url');
  const region = 'us-east-1';
  const server = keepAlive({
    name: 'versitygw',
    ...commandAt(place, options.executable, [
      ...['--port', `${place.address}:${port}`, '--region', region, '--quiet', 'posix', objects],
    ]),
    env: { ROOT_ACCESS_KEY_ID: accessKeyId, ROOT_SECRET_ACCESS_KEY: secretAccessKey },
    logFile: join(options.directory, 'versitygw.log'),
    ...(options.onEvent && { onEvent: options.onEvent }),
  });
  const endpoint = `http://${place.address}:${port}`;
  const credentials = { accessKeyId, secretAccessKey };
  const client = new S3Client({ endpoint, region, credentials, forcePathStyle: true, maxAttempts: 1 });
  try {
    await untilReady(server, { place, port }, () => createBucket(client, options.bucket), options.signal);
  } finally {
    client.destroy();
  }
  return { endpoint, region, ...credentials, bucket: options.bucket, process: server };
}

/** All that a machine of its own has: Temporal's services speak to each other at 127.0.0.1 whatever its address is. */
function listenAt(place: Place): string {
  return place === HERE ? HERE.address : '0.0.0.0';
}

/** Serving, and with its namespace, which a new server creates a moment later. */
async function probeTemporal(address: string, namespace: string): Promise<void> {
  const connection = await Connection.connect({
    address,
    channelArgs: channelArguments(address),
    connectTimeout: 5000,
  });
  try {
    await connection.withDeadline(Date.now() + 5000, async () => {
      await connection.healthService.check({ service: 'temporal.api.workflowservice.v1.WorkflowService' });
      await connection.workflowService.describeNamespace({ namespace });
    });
  } finally {
    await connection.close();
  }
}

async function createBucket(client: S3Client, bucket: string): Promise<void> {
  try {
    await client.send(new CreateBucketCommand({ Bucket: bucket }));
  } catch (error) {
    if (!(error instanceof BucketAlreadyOwnedByYou || error instanceof BucketAlreadyExists)) throw error;
  }
}
