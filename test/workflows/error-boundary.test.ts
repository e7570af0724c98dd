/**
 * @module Errors on their way from an activity through a real server: classes are lost there, names must not be.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { fail } from '../../activities/support/failures.ts';
import { FAILURES, isFailureType } from '../../contracts/failures.ts';
import { startLab, type Lab } from '../support/lab.ts';
import { failedAs, finish, setScene, startRun, startStage, stateOf } from '../support/scene.ts';

const oneHost = { plan: { gang: { hosts: 1, gpusPerHost: 2 } }, hosts: ['host-a'] };

describe('an error of an activity', { concurrency: true }, () => {
  let lab: Lab;
  before(async () => (lab = await startLab()));
  after(() => lab.stop());

  for (const type of Object.keys(FAILURES).filter(isFailureType)) {
    const ends = FAILURES[type] === 'stop' ? type : 'BudgetSpent';

    it(`called ${type} keeps its name, and Temporal does not try again`, async (t) => {
      const details = { host: 'host-a', line: 'the line', at: 7 };
      const scene = await setScene(lab, t, {
        ...oneHost,
        limits: { attemptsWithoutProgress: 0 },
        train: () => Promise.reject(fail(type, 'boom', details)),
      });
      const failure = await failedAs(await startStage(scene));
      assert.equal(failure.type, ends);
      assert.ok(
        failure.message.endsWith(ends === type ? 'boom' : `the last one: ${type}: boom`),
        failure.message,
      );
      assert.deepEqual(failure.details, [details]);
      assert.equal(failure.nonRetryable, true);
      assert.deepEqual(
        scene.trainings.map(({ attempt, activityAttempt }) => [attempt, activityAttempt]),
        [[1, 1]],
      );
      const { events } = await stateOf(scene);
      assert.equal(events.at(-1)?.failure, type);
      assert.equal(events.at(-1)?.text, `attempt 1 failed on host-a: ${type}: boom`);
    });
  }

  it('without a name is tried again by Temporal, on the same host and for the same attempt', async (t) => {
    const scene = await setScene(lab, t, {
      ...oneHost,
      train: (...call) =>
        scene.trainings.length < 3 ? Promise.reject(new TypeError('fetch failed')) : finish(...call),
    });
    const result = await (await startStage(scene)).result();
    assert.equal(result.attempts, 1);
    assert.deepEqual(
      scene.trainings.map(({ attempt, token, activityAttempt }) => [attempt, token, activityAttempt]),
      [1, 2, 3].map((activityAttempt) => [1, scene.trainings[0]?.token, activityAttempt]),
    );
  });

  it('without a name is tried again where an attempt is opened, published and planned', async (t) => {
    const tries: string[] = [];
    const twice = <Result>(what: string, result: () => Result): Promise<Result> => {
      tries.push(what);
      const again = tries.filter((other) => other === what).length === 2;
      return again ? Promise.resolve(result()) : Promise.reject(new Error('S3 is away'));
    };
    const scene = await setScene(lab, t, {
      ...oneHost,
      resolve: () => twice('plan', () => scene.planAsUsual()),
      open: () => twice('open', () => ({ resumeFrom: null, port: 1 })),
      publish: async (input) => {
        const result = await scene.publishAsUsual(input);
        return twice('publish', () => result);
      },
    });
    await (await startRun(scene)).result();
    assert.deepEqual(tries, ['plan', 'plan', 'open', 'open', 'publish', 'publish']);
  });

  for (const step of ['resolve', 'open', 'publish'] as const) {
    it(`with a name ends the run at once when it comes from ${step}`, async (t) => {
      let tries = 0;
      const refuse = () => {
        tries += 1;
        return Promise.reject(fail('StorageRefused', "bucket 'glee' refuses", {}));
      };
      const scene = await setScene(lab, t, { ...oneHost, [step]: refuse });
      const failure = await failedAs(await startRun(scene));
      assert.deepEqual([failure.type, failure.message], ['StorageRefused', "bucket 'glee' refuses"]);
      assert.equal(tries, 1);
    });
  }
});
