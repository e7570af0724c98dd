/**
 * @module `pool`: a pool lives through thousands of leases on a real server. How long its histories become, and how
 * long its query takes, from a worker that has it in memory and from one that has to replay it. It has no peer.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { createPoolActivities } from '../activities/pool-activities.ts';
import { CONTROL_TASK_QUEUE, poolWorkflowId } from '../contracts/ids.ts';
import { obtainServer } from '../sandbox/obtain.ts';
import { startTemporal } from '../sandbox/servers.ts';
import { bundlePath } from '../workers/bundle.ts';
import { joinSignal, poolQuery, releaseSignal, requestSignal } from '../workflows/base/messages.ts';
import type { Bench, BenchOptions, Case } from './measure.ts';

const CASES = {
  history: 'longest history of one execution of the pool, after LEASES leases (env, default 2000)',
  query: 'a query when all have gone',
  'query-evicted': 'the same to a worker that keeps nothing in memory, and replays the history',
  'query-busy': 'slowest query while 40 requests come at once, which are decided before it is answered',
} as const;

const [HOSTS, BATCH, QUERIES] = [50, 40, 11];

export const pool: Bench = {
  about: "thousands of leases in one pool: its histories' length and its query's time",
  cases: CASES,
  run: measurePool,
};

async function measurePool(options: BenchOptions): Promise<readonly Case[]> {
  const leases = Number(process.env.LEASES ?? 2000);
  Runtime.install({ logger: new DefaultLogger('ERROR') });
  const directory = await mkdtemp(join(tmpdir(), 'glee-bench-pool-'));
  const server = await startTemporal({ directory, executable: await obtainServer('temporal') });
  const connection = await Connection.connect({ address: server.address });
  const native = await NativeConnection.connect({ address: server.address });
  const client = new Client({ connection });
  let worker = await startWorker(native);
  try {
    const busy = await liveThrough(client, leases, options);
    const atRest = await timeQueries(client);
    await worker.stop();
    worker = await startWorker(native, 0);
    // The first one still waits for the worker that is gone.
    await timeQuery(client);
    const evicted = await timeQueries(client);
    const lengths = await historyLengths(client);
    const { historyLength } = await client.workflow.getHandle(poolWorkflowId('bench')).describe();
    options.progress(
      `${leases} leases in ${lengths.length} executions; load ${loadavg()[0]?.toFixed(1) ?? ''}; after ${historyLength} events queries ${listed(atRest)} ms, evicted ${listed(evicted)} ms`,
    );
    const line = (name: keyof typeof CASES, unit: string, ours: readonly number[]): Case => ({
      ...{ bench: 'pool', case: name, unit, ours, peer: [], peerName: null },
    });
    return [
      line('history', 'events', [Math.max(...lengths)]),
      line('query', 'ms', atRest),
      line('query-evicted', 'ms', evicted),
      line('query-busy', 'ms', [busy]),
    ];
  } finally {
    await worker.stop();
    await Promise.allSettled([connection.close(), native.close()]);
    await server.process.stop();
    await rm(directory, { recursive: true, force: true });
  }
}

async function startWorker(
  connection: NativeConnection,
  maxCachedWorkflows = 100,
): Promise<{ stop(): Promise<void> }> {
  const worker = await Worker.create({
    ...{ connection, taskQueue: CONTROL_TASK_QUEUE, workflowBundle: { codePath: bundlePath } },
    activities: createPoolActivities('no-such-folder'),
    maxCachedWorkflows,
  });
  const running = worker.run();
  return {
    stop: async () => {
      worker.shutdown();
      await running;
    },
  };
}

/** Requests come in batches and are released when they are granted; returns the slowest query, ms. */
async function liveThrough(
  client: Client,
  leases: number,
  { signal, progress }: BenchOptions,
): Promise<number> {
  const workflowId = poolWorkflowId('bench');
  const handle = client.workflow.getHandle(workflowId);
  for (let index = 0; index < HOSTS; index += 1) {
    const name = `host-${String(index).padStart(2, '0')}`;
    const host = { name, gpus: 8, address: name };
    const start = {
      workflowId,
      taskQueue: CONTROL_TASK_QUEUE,
      args: [],
      signal: joinSignal,
      signalArgs: [host],
    };
    await client.workflow.signalWithStart('gpuPool', { ...start, signalArgs: [host] });
  }
  let [asked, slowest, holder] = [0, 0, ''];
  while (asked < leases) {
    signal.throwIfAborted();
    if (asked % 1000 === 0) {
      holder = `holder-${asked}`;
      await client.workflow.start('nobodyRunsThis', { workflowId: holder, taskQueue: 'nobody' });
      progress(`${asked} of ${leases} leases`);
    }
    const ids = Array.from({ length: BATCH }, (_, index) => `r${asked + index}`);
    asked += BATCH;
    const request = { holder, holderSince: 0, hosts: 1, gpusPerHost: 8, avoid: [] };
    await Promise.all(ids.map((requestId) => handle.signal(requestSignal, { ...request, requestId })));
    for (const open = new Set(ids); open.size > 0;) {
      const began = performance.now();
      const { hosts } = await handle.query(poolQuery);
      slowest = Math.max(slowest, performance.now() - began);
      const held = hosts.flatMap(({ leases: all }) => all.map(({ requestId }) => requestId));
      const granted = held.filter((id) => open.delete(id));
      await Promise.all(granted.map((requestId) => handle.signal(releaseSignal, { requestId })));
      // Nobody serves the hosts' queues: each is lost half a minute after it joined, and joins again.
      for (const { name, gpus, address, present } of hosts)
        if (!present) await handle.signal(joinSignal, { name, gpus, address });
    }
  }
  return slowest;
}

async function timeQueries(client: Client): Promise<readonly number[]> {
  const times: number[] = [];
  while (times.length < QUERIES) times.push(await timeQuery(client));
  return times;
}

function listed(times: readonly number[]): string {
  return times.map((ms) => ms.toFixed(0)).join(', ');
}

async function timeQuery(client: Client): Promise<number> {
  const began = performance.now();
  await client.workflow.getHandle(poolWorkflowId('bench')).query(poolQuery);
  return performance.now() - began;
}

async function historyLengths(client: Client): Promise<readonly number[]> {
  const lengths: number[] = [];
  const query = `WorkflowId = '${poolWorkflowId('bench')}'`;
  for await (const { historyLength, runId } of client.workflow.list({ query })) {
    const { events } = await client.workflow.getHandle(poolWorkflowId('bench'), runId).fetchHistory();
    lengths.push(Math.max(historyLength, events?.length ?? 0));
  }
  return lengths;
}
