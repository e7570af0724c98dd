import assert from 'node:assert/strict';
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { S3Client } from '@aws-sdk/client-s3';
import { WorkflowFailedError } from '@temporalio/client';
import { readHead } from '../../activities/checkpoints/head.ts';
import { manifestName, takeSnapshot } from '../../activities/checkpoints/snapshot.ts';
import { openBucket, type Bucket } from '../../activities/storage/bucket.ts';
import { listJobs } from '../../activities/training/jobs/job.ts';
import { removeCheckpoints } from '../../activities/training/files/restore.ts';
import { rootCause } from '../../cli/shared/observe-run.ts';
import { startRun } from '../../cli/runs/start.ts';
import { packageRoot } from '../../planning/environment/package-root.ts';
import type { Checkpoint, Head } from '../../contracts/checkpoints.ts';
import type { EvaluateInput, EvaluationResult } from '../../contracts/evaluation.ts';
import { CONTROL_TASK_QUEUE, keys } from '../../contracts/ids.ts';
import { HERE } from '../../sandbox/place.ts';
import {
  startFaultyProxy,
  type Fault,
  type FaultyProxy,
  type ProxiedRequest,
} from '../support/faulty-proxy.ts';
import { makeSmallDisk, noSmallDisk, type SmallDisk } from '../support/small-disk.ts';
import { look, resultOf, startTestStack, type TestStack } from '../support/stack.ts';
import { until } from '../support/until.ts';

const forever = new AbortController().signal;

/** Where all runs are held until S3 has the checkpoint of 40 iterations. */
const HELD_AT = 45;

/** What becomes of the n-th request of its place, counted from 0. */
type Breaking = (place: string, n: number) => Fault | undefined;

/** What asks three times for itself does so in vain once, and whoever wanted it has to try again. */
const threeOfFive =
  (fault: Fault): Breaking =>
  (_, n) =>
    n % 5 < 3 ? fault : undefined;

const FAULTS: Readonly<Record<string, Breaking>> = {
  'answers-500': threeOfFive({ kind: 'status', status: 500, code: 'InternalError' }),
  'answers-503': threeOfFive({ kind: 'status', status: 503, code: 'SlowDown' }),
  expired: threeOfFive({ kind: 'status', status: 400, code: 'ExpiredToken' }),
  resets: threeOfFive({ kind: 'reset' }),
  'loses-answers': threeOfFive({ kind: 'lost' }),
  'cuts-answers': threeOfFive({ kind: 'cut', afterBytes: 100 }),
  'is-late': () => ({ kind: 'late', ms: 300 }),
  'is-silent': (_, n) => (n % 4 === 0 ? { kind: 'silence' } : undefined),
};

/** All that a run asks S3 for on its way. */
const PLACES = [
  'PUT plan',
  'GET head',
  'PUT head',
  'POST uploads file',
  'PUT part file',
  'POST upload file',
  'HEAD file',
  'PUT manifest',
  'GET file',
  'PUT result',
];

/** What S3 has of a run is not what was committed, when the next attempt begins. */
const DAMAGES: Readonly<
  Record<string, { readonly do: (stored: Stored) => Promise<void>; readonly says: RegExp }>
> = {
  'a file cut short': {
    do: async ({ bucket, newest }) => {
      await bucket.objects.remove(newest.file.key, forever);
      await bucket.store.writeText(newest.file.key, 'short');
    },
    says: /the checkpoint of iteration 40 is damaged or gone: .*attempt 2 on gpu-1 from iteration 20/s,
  },
  'a manifest removed': {
    do: ({ bucket, newest }) => bucket.objects.remove(manifestName(newest), forever),
    says: /attempt 2 on gpu-1 from iteration 40/,
  },
  'a head that points nowhere': {
    do: async ({ bucket, head, newest }) => {
      const file = { ...newest.file, key: newest.file.key.replace('model_', 'model_1') };
      const nowhere = { ...head, checkpoint: { ...newest, file } };
      await bucket.store.writeText(keys.head(newest.run, newest.stage), JSON.stringify(nowhere));
    },
    says: /the checkpoint of iteration 40 is damaged or gone: .*attempt 2 on gpu-1 from iteration 40/s,
  },
  'an upload with a part missing': {
    do: async ({ bucket, newest }) => {
      const name = newest.file.key.replace('model_0000039', 'model_0000059');
      await bucket.uploads.putPart(await bucket.uploads.begin(name, forever), 1, Buffer.alloc(100), forever);
    },
    says: /attempt 2 on gpu-1 from iteration 40/,
  },
};
const runOf = (damage: string) => damage.replaceAll(' ', '-');

interface Stored {
  readonly bucket: Bucket;
  readonly head: Head;
  readonly newest: Checkpoint;
}

describe('runs whose S3 fails at every kind of request', { timeout: 300_000 }, () => {
  let proxy: FaultyProxy;
  let stack: TestStack;
  let configs: string;
  let client: S3Client;
  let bucket: Bucket;
  let disk: SmallDisk | undefined;
  const counts = new Map<string, number>();
  const broken = new Map<string, Set<string>>();
  const begun = new Map<string, Promise<void>>();
  /** What is not answered at the moment, and what of the run whose worker is killed went to S3. */
  let silenced: RegExp | undefined;
  const heard: string[] = [];

  function faultOf(request: ProxiedRequest): Fault | undefined {
    const { run, place } = placeOf(request);
    if (run === 'worker-killed') {
      const what = `${place} ${request.url.pathname.split('/').at(-1) ?? ''} ${request.url.searchParams.get('partNumber') ?? ''}`;
      if (silenced?.test(what) === true) {
        heard.push(`unanswered: ${what}`);
        return { kind: 'silence' };
      }
      heard.push(what);
    }
    const breaking = FAULTS[run];
    if (breaking === undefined) return undefined;
    const n = counts.get(`${run} ${place}`) ?? 0;
    counts.set(`${run} ${place}`, n + 1);
    const fault = breaking(place, n);
    if (fault !== undefined) broken.set(run, (broken.get(run) ?? new Set<string>()).add(place));
    return fault;
  }

  before(async () => {
    configs = await mkdtemp(join(tmpdir(), 'glee-configs-'));
    await cp(join(packageRoot, 'test/fixtures/configs'), configs, { recursive: true });
    const stored = await readFile(join(configs, 'joint/stored.yaml'), 'utf8');
    for (const pool of ['killed', 'small'])
      await writeFile(join(configs, `joint/stored-${pool}.yaml`), `${stored}pool: ${pool}\n`);
    // So slowly that S3 has the first checkpoint before there is the second.
    const slowly = stored.replace('SANDBOX: {', 'SANDBOX: { SECONDS_PER_ITERATION: 0.1,');
    await writeFile(join(configs, 'joint/stored-slowly.yaml'), slowly);
    if (noSmallDisk === false) disk = await makeSmallDisk('80m');
    // Workers find the proxy before there is a server.
    const server: { endpoint?: string } = {};
    proxy = await startFaultyProxy(() => server.endpoint, faultOf);
    stack = await startTestStack({
      placement: {
        temporal: HERE,
        s3: HERE,
        hosts: [
          { ...HERE, name: 'gpu-1', env: { GLEE_GPUS: '16' } },
          // What is not answered is not asked again: only its death ends that.
          { ...HERE, name: 'killed', env: { GLEE_POOL: 'killed', GLEE_S3_STALL_SECONDS: '60' } },
          ...(disk
            ? [{ ...HERE, name: 'small', env: { GLEE_POOL: 'small', GLEE_SCRATCH: disk.folder } }]
            : []),
        ],
      },
      env: { GLEE_CONFIG_DIR: configs, AWS_ENDPOINT_URL_S3: proxy.endpoint, GLEE_S3_STALL_SECONDS: '2' },
    });
    const { accessKeyId, secretAccessKey, region, endpoint } = stack.s3;
    server.endpoint = endpoint;
    const credentials = { accessKeyId, secretAccessKey };
    client = new S3Client({ endpoint, region, credentials, forcePathStyle: true });
    bucket = openBucket(client, stack.s3.bucket, '');
    await stack.gate.closeAt(HELD_AT);
    begun.set(
      'undisturbed',
      begin('undisturbed').then(() => undefined),
    );
    for (const run of Object.keys(FAULTS))
      begun.set(
        run,
        begin(run).then((held) => killed(held)),
      );
    for (const [damage, { do: damages }] of Object.entries(DAMAGES))
      begun.set(
        runOf(damage),
        begin(runOf(damage), 'joint/stored-slowly').then((held) => killed(held, damages)),
      );
    begun.set(
      'nothing-left',
      begin('nothing-left').then((held) => killed(held, removeAll)),
    );
    begun.set('worker-killed', killWorker('worker-killed'));
    if (disk !== undefined) begun.set('disk-full', fillDisk('disk-full', disk));
    await Promise.allSettled(begun.values());
    await stack.gate.open();
  });
  after(async () => {
    client.destroy();
    await stack.stop();
    await proxy.stop();
    await disk?.remove();
    await rm(configs, { recursive: true, force: true });
  });

  /** Up to the gate. */
  async function begin(run: string, config = 'joint/stored'): Promise<Held> {
    await startRun(stack.client, run, { config });
    return until(
      `${run} to have its second checkpoint in S3`,
      async () => {
        const progress = (await look(stack, run))?.stage?.hosts[0];
        const { pid } = progress ?? {};
        return progress?.committedIterations === 40 && pid !== undefined && { run, pid };
      },
      120_000,
    );
  }

  /** The trainer dies, and its host loses its checkpoints: the next attempt needs what S3 has. */
  async function killed({ run, pid }: Held, damage?: (stored: Stored) => Promise<void>): Promise<void> {
    const head = await readHead(bucket.store, { run, stage: 'stage1' });
    assert.ok(head?.checkpoint);
    await damage?.({ bucket, head, newest: head.checkpoint });
    for (const { scratch } of stack.hosts)
      for (const job of await listJobs(scratch, { run, stage: 'stage1' })) await removeCheckpoints(job);
    process.kill(pid, 'SIGKILL');
  }

  async function removeAll({ newest: { run, stage } }: Stored): Promise<void> {
    const { checkpoints } = await takeSnapshot(bucket, { run, stage }, forever);
    for (const { file } of checkpoints) await bucket.objects.remove(file.key, forever);
  }

  /** Its GPU worker dies with a part missing, and again before the manifest. */
  async function killWorker(run: string): Promise<void> {
    const host = stack.hosts.find(({ name }) => name === 'killed');
    const kill = async (what: RegExp) => {
      await until(
        `${what} to be asked`,
        () => heard.some((one) => one.startsWith('un') && what.test(one)),
        120_000,
      );
      host?.worker.kill('SIGKILL');
    };
    silenced = /PUT part file model_0000039.pth 2/;
    const held = begin(run, 'joint/stored-killed');
    await until(
      'the other part to be in S3',
      async () => {
        // That of the checkpoint before may be there still, with a part of its own.
        const uploads = await bucket.uploads.list(keys.attempts(run, 'stage1'), forever);
        const upload = uploads.find(({ name }) => name.includes('model_0000039'));
        return upload && (await bucket.uploads.listParts(upload, forever))?.length === 1;
      },
      120_000,
    );
    await kill(silenced);
    silenced = /PUT manifest model_0000039.pth.json/;
    await kill(silenced);
    silenced = undefined;
    await held;
  }

  /** There is no room for the next checkpoint, not even once those are gone that S3 has. */
  async function fillDisk(run: string, { folder, leaveFree }: SmallDisk): Promise<void> {
    await begin(run, 'joint/stored-small');
    await until('the disk to be full', async () => {
      await leaveFree(0);
      const names = await readdir(join(folder, 'jobs'), { recursive: true });
      return !names.some((name) => name.endsWith('.pth'));
    });
    await leaveFree(0);
  }

  async function finalWeights(run: string): Promise<string> {
    await begun.get(run);
    const { stages } = await resultOf(stack, run);
    const sha256 = stages[0]?.artifact.sha256;
    assert.ok(sha256 !== undefined);
    return sha256;
  }

  for (const run of Object.keys(FAULTS)) {
    it(`ends with the same bytes where S3 ${run}`, async () => {
      assert.equal(await finalWeights(run), await finalWeights('undisturbed'));
      const hit = [...(broken.get(run) ?? [])];
      assert.deepEqual(
        PLACES.filter((place) => !hit.includes(place)),
        [],
        `broken were ${hit.join(', ')}`,
      );
      assert.equal((await look(stack, run))?.stage?.state?.attempt, 2);
    });
  }

  for (const [damage, { says }] of Object.entries(DAMAGES)) {
    it(`ends with the same bytes after ${damage}`, async () => {
      const run = runOf(damage);
      assert.equal(await finalWeights(run), await finalWeights('undisturbed'));
      assert.match(await eventsOf(run), says);
      const left = await bucket.uploads.list(keys.attempts(run, 'stage1'), forever);
      const [first] = await bucket.objects.list(keys.attempts(run, 'stage1'), forever);
      assert.ok(
        left.every(({ name }) => !name.startsWith(first ?? '')),
        'nothing of the attempt that died',
      );
    });
  }

  it('stops by name where no checkpoint is left, and starts again when a person says so', async () => {
    await begun.get('nothing-left');
    await assert.rejects(resultOf(stack, 'nothing-left'), /NoGoodCheckpoint.*delete s3:.*head\.json/s);
    await bucket.objects.remove(keys.head('nothing-left', 'stage1'), forever);
    await startRun(stack.client, 'nothing-left', { config: 'joint/stored' });
    assert.equal(await finalWeights('nothing-left'), await finalWeights('undisturbed'));
  });

  it('sends each part once, whenever its worker dies', async () => {
    assert.equal(await finalWeights('worker-killed'), await finalWeights('undisturbed'));
    const sent = heard.filter((what) => what.startsWith('PUT part file model_0000039'));
    assert.deepEqual(sent, ['PUT part file model_0000039.pth 1', 'PUT part file model_0000039.pth 2']);
    assert.equal((await look(stack, 'worker-killed'))?.stage?.state?.attempt, 1);
  });

  it(
    'stops by name where the disk is full, and continues when there is room',
    { skip: noSmallDisk },
    async () => {
      await begun.get('disk-full');
      await assert.rejects(resultOf(stack, 'disk-full'), /DiskFull.*free below GLEE_SCRATCH/s);
      await disk?.leaveFree(Infinity);
      await startRun(stack.client, 'disk-full', { config: 'joint/stored-small' });
      assert.equal(await finalWeights('disk-full'), await finalWeights('undisturbed'));
    },
  );

  it('evaluates nothing where the disk is full, and says so', { skip: noSmallDisk }, async () => {
    await disk?.leaveFree(0);
    const evaluating = stack.client.workflow.execute<(input: EvaluateInput) => Promise<EvaluationResult>>(
      'evaluate',
      {
        workflowId: 'evaluate-disk-full',
        taskQueue: CONTROL_TASK_QUEUE,
        args: [{ checkpoint: 'disk-full/stage1@final', datasets: ['odinw13_Rabbits'] }],
      },
    );
    const error: unknown = await evaluating.catch((reason: unknown) => reason);
    assert.ok(error instanceof WorkflowFailedError, String(error));
    assert.match(rootCause(error), /^DiskFull: .*\(small\): room: 0 GB free at .*free some/s);
  });

  async function eventsOf(run: string): Promise<string> {
    const { events = [] } = (await look(stack, run))?.stage?.state ?? {};
    return events.map(({ text }) => text).join('\n');
  }
});

interface Held {
  readonly run: string;
  /** Of its trainer. */
  readonly pid: number;
}

function placeOf({ method, url }: ProxiedRequest): { readonly run: string; readonly place: string } {
  const { pathname, searchParams: search } = url;
  const key = decodeURIComponent(pathname).replace(/^\/glee\/?/, '');
  const name = key === '' ? (search.get('prefix') ?? '') : key;
  const how = ['partNumber', 'uploads', 'uploadId'].find((one) => search.has(one));
  const kind = { partNumber: ' part', uploads: ' uploads', uploadId: ' upload' }[how ?? ''] ?? '';
  return { run: /^runs\/([^/]+)\//.exec(name)?.[1] ?? '', place: `${method}${kind} ${whatOf(key)}` };
}

function whatOf(key: string): string {
  if (key === '') return 'list';
  if (key.endsWith('.pth.json')) return 'manifest';
  if (key.endsWith('.pth')) return 'file';
  return /\/(head|result|plan)\.json$/.exec(key)?.[1] ?? 'other';
}
