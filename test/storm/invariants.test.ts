import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { join } from 'node:path';
import { tmpdir } from 'node:os';
import type { Head } from '../../contracts/checkpoints.ts';
import type { HostView } from '../../contracts/pool-view.ts';
import { until } from '../support/until.ts';
import { HeadRules, type Objects } from './heads.ts';
import { newLeases } from './host-orders.ts';
import { checkLeases } from './leases.ts';
import { hasBegunPaused, hasTakenEffect } from './orders.ts';
import { Story } from './story.ts';
import { drawStrikes } from './strikes.ts';
import { conflictsAmong, listTrainers, Tokens, type TrainerProcess } from './trainers.ts';

const KEY = 'runs/a/stage1/head.json';
const WEIGHTS = Buffer.from('weights');

function headAt(token: number, iterations: number, more: Partial<Head> = {}): Head {
  const file = {
    key: `runs/a/stage1/attempts/${token}/model_0000049.pth`,
    sha256: createHash('sha256').update(WEIGHTS).digest('hex'),
    sizeBytes: WEIGHTS.length,
  };
  const of = { run: 'a', stage: 'stage1', token, iterations, savedAt: 0, final: false };
  return { token, checkpoint: { ...of, name: 'model_0000049.pth', file }, ...more };
}

/** A bucket whose head changes; each file that it names is there unless `files` says otherwise. */
function bucket() {
  const objects = new Map<string, Buffer>();
  const all: Objects = {
    read: (key) => Promise.resolve(objects.get(key)),
    heads: () => Promise.resolve([KEY]),
  };
  const put = (head: Head, content = WEIGHTS) => {
    objects.set(KEY, Buffer.from(JSON.stringify(head)));
    if (head.checkpoint !== null) objects.set(head.checkpoint.file.key, content);
  };
  return { objects, put, rules: new HeadRules(all) };
}

const rulesOf = (violations: readonly { readonly rule: string }[]) => violations.map(({ rule }) => rule);

describe("the storm's rules for heads", () => {
  it('accept a head that advances, and one that falls back with an abandoned lineage', async () => {
    const { put, rules } = bucket();
    put(headAt(1, 50));
    assert.deepEqual(await rules.check(), []);
    put(headAt(2, 100));
    assert.deepEqual(await rules.check(), []);
    put(headAt(3, 50, { left: [{ by: 3, after: 50 }] }));
    assert.deepEqual(await rules.check(), []);
  });

  it('catch a token that falls, as from an S3 that ignores If-Match', async () => {
    const { put, rules } = bucket();
    put(headAt(2, 50));
    await rules.check();
    put(headAt(1, 100));
    assert.deepEqual(rulesOf(await rules.check()), ['token never falls']);
  });

  it('catch iterations that fall', async () => {
    const { put, rules } = bucket();
    put(headAt(1, 100));
    await rules.check();
    put(headAt(2, 50));
    assert.deepEqual(rulesOf(await rules.check()), ['iterations never fall']);
  });

  it('catch a head that is cut off, one that is gone, and files that are gone, short or changed', async () => {
    for (const content of [Buffer.from('weight'), Buffer.from('weighty')]) {
      const { put, rules } = bucket();
      put(headAt(1, 50), content);
      assert.deepEqual(rulesOf(await rules.check()), ['head is whole']);
    }
    const { objects, put, rules } = bucket();
    put(headAt(1, 50));
    objects.delete('runs/a/stage1/attempts/1/model_0000049.pth');
    assert.deepEqual(rulesOf(await rules.check()), ['head is whole']);
    objects.set(KEY, Buffer.from('{"token":1,'));
    assert.deepEqual(rulesOf(await rules.check()), ['head is readable']);
    objects.delete(KEY);
    assert.deepEqual(rulesOf(await rules.check()), ['head is there']);
  });
});

describe("the storm's rules for trainers and leases", () => {
  const one: TrainerProcess = {
    ...{ pid: 1, job: 'a/stage1/1', host: 'storm-1', gpus: ['0'], isShim: false, isFrozen: false },
  };

  it('catch two jobs on one GPU, and two attempts of one stage on two hosts', () => {
    const other = { ...one, pid: 2, job: 'b/stage1/2' };
    assert.equal(conflictsAmong([one, other]).length, 1);
    assert.equal(conflictsAmong([one, { ...other, gpus: ['1'] }]).length, 0);
    assert.equal(conflictsAmong([one, { ...other, host: 'storm-2' }]).length, 0);
    assert.equal(conflictsAmong([one, { ...one, pid: 3, job: 'a/stage1/2', host: 'storm-2' }]).length, 1);
    assert.equal(conflictsAmong([one, { ...one, pid: 4, host: 'storm-2' }]).length, 0, 'a gang of two hosts');
  });

  it('overlook shims, and processes that are frozen', () => {
    const other = { ...one, pid: 2, job: 'b/stage1/2' };
    assert.equal(conflictsAmong([one, { ...other, isShim: true }]).length, 0);
    assert.equal(conflictsAmong([one, { ...other, isFrozen: true }]).length, 0);
  });

  it('catch an older attempt that starts after a newer one, and not one that is seen again', () => {
    const tokens = new Tokens();
    const older = { ...one, job: 'a/stage1/7' };
    const newer = { ...one, pid: 2, job: 'a/stage1/12' };
    assert.deepEqual(tokens.fallen([older]), []);
    assert.deepEqual(tokens.fallen([newer]), []);
    assert.deepEqual(tokens.fallen([older, newer, { ...older, job: 'a/stage2/8' }]), []);
    const oldest = { ...older, host: 'storm-2' };
    assert.deepEqual(tokens.fallen([oldest]), [oldest]);
  });

  it('find a real process by its mark', async () => {
    const scratch = join(tmpdir(), `storm-scratch-${process.pid}`);
    const env = { GLEE_JOB: `${scratch}/jobs/a/stage1/7`, CUDA_VISIBLE_DEVICES: '0,1' };
    const child = spawn('/bin/sleep', ['60'], { env });
    try {
      const found = await until('the process to be seen', () => {
        const [seen] = listTrainers(new Map([['storm-1', scratch]]));
        return seen;
      });
      assert.deepEqual(
        [found.pid, found.host, found.job, found.gpus],
        [child.pid, 'storm-1', 'a/stage1/7', ['0', '1']],
      );
    } finally {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
  });

  it('catch a GPU with two holders, and one that is leased and not there', () => {
    const lease = { requestId: 'r', holder: 'a/stage1', gpuIndices: [0], since: 0, priority: 0 };
    const host: HostView = {
      ...{ name: 'storm-1', gpus: 2, address: '127.0.0.1', present: true, usable: true, freeGpus: 0 },
      ...{ leases: [lease], leasedTo: 'a/stage1' },
    };
    assert.deepEqual(checkLeases({ hosts: [host] }), []);
    const twice = { ...host, leases: [lease, { ...lease, holder: 'b/stage1', gpuIndices: [0, 1] }] };
    assert.equal(checkLeases({ hosts: [twice] }).length, 1);
    assert.equal(checkLeases({ hosts: [{ ...host, leases: [{ ...lease, gpuIndices: [2] }] }] }).length, 1);
  });
});

describe("the storm's rules for orders", () => {
  it('catch a grant of a host after it was set aside, and accept what was granted before or adopted', () => {
    const lease = { requestId: 'r', holder: 'a/stage1', gpuIndices: [0], since: 100, priority: 0 };
    const cordoned = { by: 'ann', why: 'fan', since: 50 };
    const host: HostView = {
      ...{ name: 'storm-1', gpus: 2, address: '127.0.0.1', present: true, usable: false, freeGpus: 1 },
      ...{ leases: [lease], leasedTo: 'a/stage1', cordoned },
    };
    assert.equal(newLeases([host]).length, 1);
    assert.equal(newLeases([{ ...host, cordoned: { ...cordoned, since: 100 } }]).length, 0);
    assert.equal(newLeases([{ ...host, leases: [{ ...lease, adopted: true }] }]).length, 0);
  });

  it('wait for the end of what an order found', () => {
    const yielded = { order: 'yield', by: 'ann', before: { token: 7 } } as const;
    assert.equal(hasTakenEffect(yielded, { phase: 'training', token: 7 }), false);
    assert.equal(hasTakenEffect(yielded, { phase: 'training', token: 8 }), true);
    assert.equal(hasTakenEffect(yielded, { phase: 'waiting for hosts', token: 7 }), true);
    const paused = { ...yielded, order: 'pause' } as const;
    assert.equal(hasTakenEffect(paused, { phase: 'waiting for hosts', token: 7 }), false);
    const order = { by: 'ann', why: 'lunch', at: 1 };
    assert.equal(hasTakenEffect(paused, { phase: 'paused', token: 7, paused: order }), true);
  });
});

describe('a pause in a storm', () => {
  it('is broken by an attempt that begins under it, and not by one from before or that fails', () => {
    const paused = { by: 'ann', why: 'lunch', at: 100 };
    const begun = (at: number) => ({ at, text: 'attempt 2 on storm-1 from iteration 20' });
    assert.equal(hasBegunPaused({ paused, events: [begun(101)] }, 'ann'), true);
    assert.equal(hasBegunPaused({ paused, events: [begun(101)] }, 'bob'), false);
    const failed = { at: 101, text: 'attempt 2 failed on storm-1: HostLost: silent' };
    assert.equal(hasBegunPaused({ paused, events: [begun(100), failed] }, 'ann'), false);
  });
});

describe("the storm's story", () => {
  it('leaves out what concerns other pieces of work, and names the strikes', () => {
    const story = new Story(() => undefined);
    story.note('S3 is killed', 1);
    story.note("'pause' of storm-joint-1 by storm-1: paused", 2);
    story.note('storm-joint-2 is started');
    story.note('SIGKILL to trainer of storm-joint-1/stage1/7', 3);
    story.violate({ rule: 'every run completes', text: 'storm-finetune-1: FAILED' });
    const told = story.failure('npm run chaos');
    assert.doesNotMatch(told, /paused|storm-joint-2/);
    assert.match(told, /S3 is killed[^]*SIGKILL to trainer[^]*--only 1,3/);
  });
});

describe('the strikes of a storm', () => {
  it('are the same for the same seed, of every kind, and others for another seed', () => {
    assert.deepEqual(drawStrikes(7, 180), drawStrikes(7, 180));
    assert.notDeepEqual(drawStrikes(7, 180), drawStrikes(8, 180));
    const kinds = new Set(drawStrikes(7, 1200).map(({ blow }) => blow.kind));
    assert.equal(kinds.size, 12);
  });
});
