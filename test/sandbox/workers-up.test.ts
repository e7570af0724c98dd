import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { shellQuote } from '../../sandbox/shell-quote.ts';
import { startStack } from '../../sandbox/stack.ts';
import { untilWorkersAreUp } from '../../sandbox/workers-up.ts';

const running = new AbortController().signal;

async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'glee-up-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

test('a folder with a space is refused before anything is started, with the reason', async (t) => {
  const folder = await temporaryFolder(t);
  const directory = join(folder, 'my project', 'dev');
  await assert.rejects(
    startStack({ directory }),
    /my project.*may hold letters, digits and.*without spaces/s,
  );
  assert.deepEqual(await readdir(folder), []);
});

test('workers that end at once are not called up: the first is named, with its log', async (t) => {
  const directory = await temporaryFolder(t);
  const ends = new Map<string, number>();
  const stack = await startStack({
    directory,
    hosts: 1,
    env: { GLEE_PREFIX: 'no slash' },
    onEvent: ({ type, name }) => {
      if (type === 'exited') ends.set(name, (ends.get(name) ?? 0) + 1);
    },
  });
  try {
    await assert.rejects(
      untilWorkersAreUp(stack, (name) => ends.get(name) ?? 0, running),
      /control ends again and again; last lines of .*control\.log:.*GLEE_PREFIX/s,
    );
  } finally {
    await stack.stop();
  }
});

test('workers are up once each has said so to Temporal', async (t) => {
  const stack = await startStack({ directory: await temporaryFolder(t), hosts: 1 });
  await untilWorkersAreUp(stack, () => 0, running).finally(() => stack.stop());
});

test('a printed path is one word of a shell, whatever is in it', () => {
  for (const path of ["/tmp/a b/it's/env.sh", '/tmp/$(id)`id`/"x"', '/tmp/plain'])
    assert.equal(execFileSync('/bin/sh', ['-c', `printf %s ${shellQuote(path)}`]).toString(), path);
});
