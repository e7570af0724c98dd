import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { fail } from '../../../activities/support/failures.ts';
import { stageWorkflowId } from '../../../contracts/ids.ts';
import { startLab, type Lab } from '../../support/lab.ts';
import {
  checkpoint,
  failedAs,
  finish,
  leasesOf,
  newGate,
  setScene,
  startStage,
  stateOf,
  trainForEver,
  type Scene,
} from '../../support/scene.ts';
import { until } from '../../support/until.ts';

describe('trainStage', { concurrency: true }, () => {
  let lab: Lab;
  before(async () => (lab = await startLab()));
  after(() => lab.stop());

  it('trains once on all hosts of its gang, publishes, and returns the hosts', async (t) => {
    const scene = await setScene(lab, t);
    const result = await (await startStage(scene)).result();
    assert.equal(result.artifact.sha256, 'sha-of-100');
    assert.deepEqual([result.attempts, result.iterationsRun], [1, 100]);
    const ranks = scene.trainings.toSorted((a, b) => a.machineRank - b.machineRank);
    assert.deepEqual(
      ranks.map(({ host, machineRank, masterAddress, port, attempt }) => [
        ...[host, machineRank, masterAddress, port, attempt],
      ]),
      [
        ['host-a', 0, 'host-a.example', 1, 1],
        ['host-b', 1, 'host-a.example', 1, 1],
      ],
    );
    assert.equal(ranks[0]?.token, ranks[1]?.token);
    assert.deepEqual(await leasesOf(scene), {});
    const state = await stateOf(scene);
    assert.deepEqual([state.phase, state.attempt, state.iterationsRun], ['done', 1, 100]);
  });

  it('writes at most 80 events, and as many for 50,000 iterations as for 500', async (t) => {
    const counts: number[] = [];
    for (const maxIterations of [500, 50_000]) {
      const name = `${t.name} ${maxIterations}`;
      const scene = await setScene(lab, { name: name.slice(-40) }, { plan: { maxIterations } });
      const handle = await startStage(scene);
      await handle.result();
      const events = (await handle.fetchHistory()).events ?? [];
      assert.ok(events.length <= 80, String(events.length));
      // How many things one workflow task hears of together is chance, and how often a slow pool tells of a grant.
      counts.push(events.filter((event) => event.activityTaskScheduledEventAttributes).length);
    }
    assert.equal(counts[0], counts[1]);
  });

  it('ends the whole gang with the host that failed, waits for it, and continues from the newest checkpoint', async (t) => {
    const ending = newGate();
    const scene = await setScene(lab, t, {
      train: async (input, host, self) => {
        if (input.attempt === 2) return finish(input, host, self);
        if (host === 'host-a') return trainForEver(input, host, self).finally(() => ending.opened);
        await until('the whole gang to train', () => self.trainings.length === 2);
        self.head = checkpoint(self, 50, input.token);
        throw fail('TrainerKilled', 'SIGKILL ended the trainer', { host, at: 1, iterationsRun: 70 });
      },
    });
    const handle = await startStage(scene);
    await until('the other host to be asked to stop', () => scene.cancelled.length === 1);
    const meanwhile = await stateOf(scene);
    assert.deepEqual([meanwhile.phase, meanwhile.attempt], ['training', 1]);
    ending.open();
    const result = await handle.result();
    assert.deepEqual([result.attempts, result.iterationsRun], [2, 120]);
    assert.deepEqual(scene.cancelled, ['host-a']);
    const second = scene.trainings.filter(({ attempt }) => attempt === 2);
    assert.deepEqual(
      second.map(({ resumeFrom }) => resumeFrom?.iterations),
      [50, 50],
    );
    assertGrowing(scene.openings.map(({ token }) => token));
    const { events } = await stateOf(scene);
    const texts = events.map(({ text }) => text);
    assert.ok(texts.includes('attempt 1 failed on host-b: TrainerKilled: SIGKILL ended the trainer'));
  });

  it('blames the host that failed first and not the one that lost it, whichever says so first', async (t) => {
    const scene = await setScene(lab, t, {
      train: async (input, host, self) => {
        if (input.attempt === 2) return finish(input, host, self);
        await until('the whole gang to train', () => self.trainings.length === 2);
        if (host === 'host-a') throw fail('PeerLost', 'connection reset', { host, at: 1 });
        return trainForEver(input, host, self).catch(() => {
          throw fail('Hang', 'no sign of progress', { host, at: 2 });
        });
      },
    });
    await (await startStage(scene)).result();
    assert.deepEqual(await failuresOf(scene), ['Hang']);
  });

  it('fails at once with what a person has to change, and returns the hosts', async (t) => {
    const scene = await setScene(lab, t, {
      train: async (input, host, self) => {
        if (host === 'host-b') return trainForEver(input, host, self);
        await until('the whole gang to train', () => self.trainings.length === 2);
        throw fail('OutOfMemory', 'tried to allocate 2 GiB', { host, line: 'torch.OutOfMemoryError', at: 1 });
      },
    });
    const failure = await failedAs(await startStage(scene));
    assert.equal(failure.type, 'OutOfMemory');
    assert.equal(failure.message, 'tried to allocate 2 GiB');
    assert.deepEqual(failure.details, [{ host: 'host-a', line: 'torch.OutOfMemoryError', at: 1 }]);
    assert.equal(scene.trainings.length, 2);
    assert.deepEqual(scene.cancelled, ['host-b']);
    assert.deepEqual(await leasesOf(scene), {});
  });

  it('gives up when its attempts bring nothing, naming the last failure', async (t) => {
    const scene = await setScene(lab, t, {
      limits: { attemptsWithoutProgress: 2 },
      train: (input, host) => Promise.reject(fail('TrainerCrashed', `boom ${input.attempt}`, { host })),
    });
    const failure = await failedAs(await startStage(scene));
    assert.equal(failure.type, 'BudgetSpent');
    assert.match(failure.message, /^3 attempts ended so .* the last one: TrainerCrashed: boom 3$/);
    assert.equal(scene.openings.length, 3);
  });

  it('fails as often as it likes while it advances', async (t) => {
    const scene = await setScene(lab, t, {
      limits: { attemptsWithoutProgress: 1 },
      train: (input, host, self) => {
        if (input.attempt === 6) return finish(input, host, self);
        if (input.machineRank === 0) self.head = checkpoint(self, 10 * input.attempt, input.token);
        return Promise.reject(fail('TrainerKilled', 'again', { host }));
      },
    });
    const result = await (await startStage(scene)).result();
    assert.equal(result.attempts, 6);
    assertGrowing(scene.openings.map(({ token }) => token));
  });

  it('publishes without training when the final checkpoint is there already', async (t) => {
    const scene = await setScene(lab, t);
    scene.head = checkpoint(scene, 100);
    const result = await (await startStage(scene)).result();
    assert.equal(result.artifact.sha256, 'sha-of-100');
    assert.equal(result.iterationsRun, 0);
    assert.equal(scene.trainings.length, 0);
  });

  it('rests where it was asked to, and a later execution continues from there to its end', async (t) => {
    const scene = await setScene(lab, t);
    const first = await startStage(scene, undefined, 40);
    const rested = await first.result();
    assert.deepEqual(
      [rested.artifact.name, rested.artifact.iterations, rested.iterationsRun],
      [`${scene.run}/stage1@40`, 40, 40],
    );
    const { phase, events } = await stateOf(scene);
    assert.equal(phase, 'done');
    assert.match(
      events.at(-1)?.text ?? '',
      /^stage1 rests after iteration 40, as asked: .*sha256 sha-of-40$/,
    );
    assert.deepEqual(await leasesOf(scene), {});

    const again = await (await startStage(scene, undefined, 30)).result();
    assert.deepEqual([again.artifact.iterations, again.iterationsRun], [40, 0]);
    assert.equal(scene.trainings.length, 2, 'what is reached already is not trained');

    const end = await (await startStage(scene)).result();
    assert.deepEqual([end.artifact.name, end.iterationsRun], [`${scene.run}/stage1`, 60]);
    assert.deepEqual(
      scene.trainings.map(({ until, resumeFrom }) => [until, resumeFrom?.iterations]),
      [40, 40, undefined, undefined].map((until) => [until, until === undefined ? 40 : undefined]),
    );
    assert.deepEqual(
      scene.published.map(({ stage }) => stage.until),
      [40, 30, undefined],
    );
    assertGrowing(scene.openings.map(({ token }) => token));
  });

  it('ends at its end where its trainer does not know how to rest', async (t) => {
    const scene = await setScene(lab, t, {
      train: ({ until: _, ...input }, host, self) => finish(input, host, self),
    });
    const { artifact, attempts } = await (await startStage(scene, undefined, 40)).result();
    assert.deepEqual([artifact.name, artifact.iterations, attempts], [`${scene.run}/stage1`, 100, 1]);
    assert.match((await stateOf(scene)).events.at(-1)?.text ?? '', /^stage1 done: /);
  });

  it('holds no hosts while it publishes', async (t) => {
    const saved = newGate();
    const scene = await setScene(lab, t, {
      publish: async (input) => {
        await saved.opened;
        return scene.publishAsUsual(input);
      },
    });
    const handle = await startStage(scene);
    await until('it to publish', () => scene.published.length === 1);
    await until('the hosts to be free', async () => Object.keys(await leasesOf(scene)).length === 0, 10_000);
    saved.open();
    await handle.result();
  });

  it('fails when it may not claim its head', async (t) => {
    const scene = await setScene(lab, t, {
      open: () => Promise.reject(fail('StorageRefused', 'AccessDenied on head.json')),
    });
    const failure = await failedAs(await startStage(scene));
    assert.deepEqual([failure.type, failure.message], ['StorageRefused', 'AccessDenied on head.json']);
    assert.equal(scene.openings.length, 1);
  });

  it('is one workflow for each stage of a run', async (t) => {
    const scene = await setScene(lab, t, { train: trainForEver });
    const handle = await startStage(scene);
    assert.equal(handle.workflowId, stageWorkflowId(scene.run, 'stage1'));
    await assert.rejects(startStage(scene), { name: 'WorkflowExecutionAlreadyStartedError' });
  });
});

function assertGrowing(numbers: readonly number[]): void {
  for (const [index, number] of numbers.entries())
    assert.ok(number > (numbers[index - 1] ?? 0), String(numbers));
}

async function failuresOf(scene: Scene): Promise<unknown[]> {
  const { events } = await stateOf(scene);
  return events.flatMap(({ failure }) => (failure === undefined ? [] : [failure]));
}
