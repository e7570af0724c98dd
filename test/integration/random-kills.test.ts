import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { livingTrainers } from '../../activities/training/jobs/processes.ts';
import { startRun } from '../../cli/runs/start.ts';
import { resultOf, startTestStack, trainToTheEnd, type TestStack } from '../support/stack.ts';
import { randomNumbers } from '../../sandbox/random.ts';
import { until } from '../support/until.ts';

/** More of both for a soak: `GLEE_KILLS=100 GLEE_SEED=7 npm test -- random-kills`. */
const KILLS = Number(process.env.GLEE_KILLS ?? 8);
const SEED = Number(process.env.GLEE_SEED ?? Date.now() % 1_000_000);

/** A soak needs a run that is long enough for its kills. */
const CONFIG = KILLS > 12 ? 'joint/soak' : 'joint/short';

const VICTIMS = [
  'trainer',
  'GPU worker',
  'control worker',
  'Temporal server',
  'S3 server',
  'everything',
] as const;

describe(`a run that is killed ${KILLS} times at random (GLEE_SEED=${SEED})`, () => {
  let stack: TestStack;
  before(async () => {
    stack = await startTestStack();
  });
  after(() => stack.stop());

  it('ends with the bytes of an undisturbed one, and leaves nothing running', async (t) => {
    const expected = await trainToTheEnd(stack, 'undisturbed', CONFIG);
    const random = randomNumbers(SEED);
    await startRun(stack.client, 'killed', { config: CONFIG });
    const ending = resultOf(stack, 'killed', 3_600_000);
    const over = new AbortController();
    void ending.catch(() => undefined).then(() => over.abort());
    for (let kills = 0; kills < KILLS && !over.signal.aborted; kills += 1) {
      // The moment is what the seed draws: there is nothing to wait for.
      await delay(300 + 2700 * random());
      const victim = VICTIMS[Math.floor(random() * VICTIMS.length)] ?? 'everything';
      t.diagnostic(`SIGKILL ${kills + 1}: ${victim}`);
      await kill(stack, victim, random());
    }
    const result = await ending;
    t.diagnostic(`${result.stages[0]?.attempts} attempts, ${result.stages[0]?.iterationsRun} iterations`);
    assert.equal(result.stages[0]?.artifact.sha256, expected.stages[0]?.artifact.sha256);
    await until('no trainer of this stack to be left', async () => (await trainersOf(stack)).length === 0);
  });
});

async function kill(stack: TestStack, victim: (typeof VICTIMS)[number], draw: number): Promise<void> {
  const hosts = stack.hosts.map(({ worker }) => worker);
  switch (victim) {
    case 'trainer': {
      const pids = await trainersOf(stack);
      const pid = pids[Math.floor(draw * pids.length)];
      if (pid !== undefined) killPid(pid);
      return;
    }
    case 'GPU worker':
      hosts[Math.floor(draw * hosts.length)]?.kill('SIGKILL');
      return;
    case 'control worker':
      stack.control.kill('SIGKILL');
      return;
    case 'Temporal server':
      stack.temporal.process.kill('SIGKILL');
      return;
    case 'S3 server':
      stack.s3.process.kill('SIGKILL');
      return;
    case 'everything':
      for (const pid of await trainersOf(stack)) killPid(pid);
      for (const one of [...hosts, stack.control, stack.temporal.process, stack.s3.process])
        one.kill('SIGKILL');
  }
}

async function trainersOf({ hosts }: TestStack): Promise<number[]> {
  const living = [...(await livingTrainers())];
  return living.flatMap(([folder, pids]) =>
    hosts.some(({ scratch }) => folder.startsWith(scratch)) ? pids : [],
  );
}

function killPid(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended in between.
  }
}
