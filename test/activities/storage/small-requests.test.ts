import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestS3, type TestS3 } from '../s3.ts';
import { startS3Proxy, type Fault } from './s3-proxy.ts';

/** Twice in a row, which is what they can bear. */
const PASSING: Readonly<Record<string, Fault>> = {
  'is never answered': { kind: 'silence' },
  'is answered in part': { kind: 'stall', afterBytes: 3 },
  'is answered with a part that ends': { kind: 'cut', afterBytes: 3 },
  'is refused by an S3 that is overloaded': { kind: 'status', status: 503, code: 'SlowDown' },
  'is taken to be of credentials that are expired': { kind: 'status', status: 400, code: 'ExpiredToken' },
  'has its answer lost': { kind: 'lost' },
};

describe('a request for little', { concurrency: true }, () => {
  let s3: TestS3;
  before(async () => (s3 = await startTestS3()));
  after(() => s3.stop());

  for (const [what, fault] of Object.entries(PASSING)) {
    it(`that ${what} is made again`, async (test) => {
      const proxy = await startS3Proxy(s3, ({ earlier }) => (earlier < 2 ? fault : undefined));
      test.after(() => proxy.stop());
      const name = `small/${fault.kind}-${'code' in fault ? fault.code : ''}`;
      await proxy.store.writeText(name, 'hello');
      const found = await proxy.store.readText(name);
      assert.equal(found?.text, 'hello');
    });
  }

  it('that S3 has heard though its answer was lost is a conflict with itself, for its caller to see', async (test) => {
    const proxy = await startS3Proxy(s3, ({ earlier }) => (earlier === 0 ? { kind: 'lost' } : undefined));
    test.after(() => proxy.stop());
    assert.equal(await proxy.store.writeText('small/once', 'mine', { ifNoneMatch: '*' }), 'conflict');
    assert.equal((await proxy.store.readText('small/once'))?.text, 'mine');
  });

  it('is given up when S3 stays silent, which is told as what it is', async (test) => {
    const proxy = await startS3Proxy(s3, () => ({ kind: 'silence' }));
    test.after(() => proxy.stop());
    await assert.rejects(proxy.store.readText('small/never'), {
      name: 'TimeoutError',
      message: 'S3 read failed [bucket=glee, key=small/never]: nothing came for 1 s',
    });
    assert.equal(proxy.requests.length, 3);
  });

  it('ends with its caller', async (test) => {
    const proxy = await startS3Proxy(s3, () => ({ kind: 'silence' }));
    test.after(() => proxy.stop());
    const caller = new AbortController();
    const read = proxy.store.readText('small/abort', caller.signal);
    caller.abort();
    await assert.rejects(read, { name: 'AbortError' });
  });
});
