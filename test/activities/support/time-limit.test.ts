import assert from 'node:assert/strict';
import { it } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { z } from 'zod';
import { within } from '../../../activities/support/time-limit.ts';

const forever = new AbortController().signal;
const untilAborted = (signal: AbortSignal) =>
  new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(reasonOf(signal))));

it('a deadline comes whatever the garbage collector does meanwhile', async () => {
  setFlagsFromString('--expose-gc');
  const collect = z.function().parse(runInNewContext('gc'));
  const timer = setInterval(collect, 20);
  try {
    await assert.rejects(within(300, forever, untilAborted), {
      name: 'TimeoutError',
      message: 'not done within 0.3 s',
    });
  } finally {
    clearInterval(timer);
  }
});

it("an abort of the caller's comes before the deadline, and says its own reason", async () => {
  const caller = new AbortController();
  const work = within(60_000, caller.signal, untilAborted);
  caller.abort(new Error('enough'));
  await assert.rejects(work, { message: 'enough' });
});

function reasonOf(signal: AbortSignal): Error {
  return signal.reason instanceof Error ? signal.reason : new Error(String(signal.reason));
}
