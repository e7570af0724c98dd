import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  ActivityFailure,
  ApplicationFailure,
  CancelledFailure,
  RetryState,
  TimeoutFailure,
  TimeoutType,
} from '@temporalio/common';
import { fail } from '../../../activities/support/failures.ts';
import { FAILURES, isFailureType, type FailureType, type NamedFailure } from '../../../contracts/failures.ts';
import {
  backoffMs,
  blame,
  blamesOf,
  budgetLimit,
  decide,
  iterationsBefore,
  nameFailure,
} from '../../../workflows/stage/recovery.ts';
import { stagePlan } from '../../fixtures/stage-plan.ts';

const { limits } = stagePlan('default');
const types = Object.keys(FAILURES).filter(isFailureType);

describe('decide', () => {
  const first = {
    ...{ attempts: 1, budget: { spent: 1, limit: 10 }, wentBack: false },
    ...{ sameCrashes: 0, hosts: ['gpu-1', 'gpu-2'] },
  };

  const answers: Partial<Record<FailureType, 'elsewhere' | 'back'>> = {
    ...{ HostLost: 'elsewhere', HostUnfit: 'elsewhere', GpuFault: 'elsewhere', Hang: 'elsewhere' },
    ...{ NonFiniteLoss: 'back', LossSpike: 'back' },
  };
  for (const type of types) {
    const expected = FAILURES[type] === 'stop' ? 'stop' : (answers[type] ?? 'again');
    it(`answers ${type} with '${expected}'`, () => {
      const failure = { type, host: 'gpu-1', message: 'boom' };
      assert.deepEqual(
        decide(failure, first),
        {
          stop: { kind: 'stop', failure },
          again: { kind: 'again', afterMs: 0 },
          back: { kind: 'back', afterMs: 0 },
          elsewhere: { kind: 'elsewhere', afterMs: 0, avoid: ['gpu-1'] },
        }[expected],
      );
    });
  }

  it('stops when the budget of its class is spent, with the name and host of the last failure', () => {
    const failure = { type: 'Hang', host: 'gpu-1', message: 'silent for 1800 s', line: 'iter: 7' } as const;
    const after = (spent: number) =>
      decide(failure, { ...first, attempts: 30, budget: { spent, limit: 10 } });
    assert.equal(after(10).kind, 'elsewhere');
    assert.deepEqual(after(11), {
      kind: 'stop',
      failure: {
        ...failure,
        type: 'BudgetSpent',
        message: '11 attempts ended so without a newer checkpoint; the last one: Hang: silent for 1800 s',
      },
    });
  });

  it('avoids every host of a gang that hangs together, and one alone that hangs by itself', () => {
    const avoided = (hang: Partial<NamedFailure>) => {
      const decision = decide({ type: 'Hang', host: 'gpu-1', message: 'silent', ...hang }, first);
      return decision.kind === 'elsewhere' && decision.avoid;
    };
    assert.deepEqual([avoided({}), avoided({ ofGang: true })], [['gpu-1'], ['gpu-1', 'gpu-2']]);
  });

  it('tries a crash that comes back elsewhere once, then stops by name', () => {
    const failure = { type: 'TrainerCrashed', host: 'gpu-1', message: 'boom', line: 'KeyError: 7' } as const;
    const after = (sameCrashes: number) => decide(failure, { ...first, sameCrashes });
    assert.deepEqual(
      [1, 2, 3].map((times) => after(times).kind),
      ['again', 'elsewhere', 'stop'],
    );
    const stopped = after(3);
    assert.ok(stopped.kind === 'stop');
    assert.equal(stopped.failure.type, 'RepeatedCrash');
    assert.match(stopped.failure.message, /^3 attempts in a row failed with the same error .*; boom$/);
  });

  it('asks a person about a training that diverges again after it went back', () => {
    const failure = { type: 'LossSpike', host: 'gpu-1', message: 'boom' } as const;
    assert.deepEqual(decide(failure, { ...first, wentBack: true }), { kind: 'ask', failure });
  });

  it('keeps the reason to stop even when the budget is spent too', () => {
    const failure = { type: 'OutOfMemory', message: 'boom' } as const;
    assert.deepEqual(decide(failure, { ...first, budget: { spent: 99, limit: 10 } }), {
      kind: 'stop',
      failure,
    });
  });

  it('avoids no one when no host is known to be lost', () => {
    assert.deepEqual(decide({ type: 'HostLost', message: 'boom' }, first), {
      ...{ kind: 'elsewhere', afterMs: 0 },
      avoid: [],
    });
  });

  it('has a budget for each class, by default that for attempts', () => {
    const own = { ...limits, attemptsWithoutProgress: 7, budgets: { host: 100, hang: 2 } };
    assert.deepEqual(
      (['GpuFault', 'Hang', 'TrainerKilled', 'OutOfMemory'] as const).map((type) => budgetLimit(type, own)),
      [100, 2, 7, 7],
    );
  });
});

describe('the pool', () => {
  const once = { budget: { spent: 1, limit: 10 }, hosts: ['gpu-1', 'gpu-2'] };

  it('hears of hardware that failed, and not of what it notices by itself', () => {
    const named = (type: FailureType) =>
      blamesOf({ type, host: 'gpu-1', message: 'Xid 79' }, 'lite-1/stage1', once);
    assert.deepEqual(named('GpuFault'), [
      { host: 'gpu-1', holder: 'lite-1/stage1', reason: 'Xid 79', weight: 'at once' },
    ]);
    assert.deepEqual([...named('HostLost'), ...named('TrainerCrashed')], []);
    assert.equal(named('HostUnfit')[0]?.weight, 'counts');
  });

  it('hears of a hang which hosts may be at fault, once until the stage advances', () => {
    const blamed = (hang: Partial<NamedFailure>, spent = 1) =>
      blamesOf({ type: 'Hang', host: 'gpu-1', message: 'silent', ...hang }, 'holder', {
        ...once,
        budget: { spent, limit: 10 },
      }).map(({ host, weight }) => [host, weight]);
    assert.deepEqual(blamed({}), [['gpu-1', 'counts']]);
    const all = [
      ['gpu-1', 'counts'],
      ['gpu-2', 'counts'],
    ];
    assert.deepEqual(blamed({ ofGang: true }), all);
    assert.deepEqual(blamed({}, 2), []);
  });
});

describe('the back-off', () => {
  it('is none at first, then doubles from a second, and is never above five minutes', () => {
    const seconds = [0, 1, 2, 3, 4, 10, 11, 1000].map((attempts) => backoffMs(attempts) / 1000);
    assert.deepEqual(seconds, [0, 0, 1, 2, 4, 256, 300, 300]);
  });
});

describe('blame', () => {
  const at = (type: FailureType, time?: number): NamedFailure => ({
    type,
    message: String(time),
    ...(time !== undefined && { at: time }),
  });
  const cases: readonly [title: string, failures: [NamedFailure, ...NamedFailure[]], blamed: number][] = [
    [
      'a rank before those that lost it, though they ended first',
      [at('PeerLost', 1), at('TrainerKilled', 9)],
      1,
    ],
    [
      'what a person has to change before all else',
      [at('TrainerKilled', 1), at('DiskFull', 9), at('PeerLost', 0)],
      1,
    ],
    ['the earliest of its kind', [at('TrainerCrashed', 5), at('TrainerKilled', 4), at('Hang', 6)], 1],
    ['one that knows when before one that does not', [at('HostLost'), at('TrainerCrashed', 5)], 1],
    ['the first in rank order where nothing else tells', [at('PeerLost'), at('Superseded')], 0],
    ['the only one', [at('PeerLost', 3)], 0],
  ];
  for (const [title, failures, blamed] of cases) {
    it(`names ${title}`, () => {
      assert.equal(blame(failures), failures[blamed]);
    });
  }

  it('does not depend on the order of the ranks', () => {
    const [first, second, third] = [at('PeerLost', 1), at('Hang', 3), at('TrainerKilled', 2)];
    for (const order of [
      [first, second, third],
      [second, first, third],
      [third, second, first],
      [first, third, second],
    ] as const) {
      assert.equal(blame([...order]), third);
    }
  });
});

describe('nameFailure', () => {
  for (const type of types) {
    it(`knows ${type} by its name, with the details of the host`, () => {
      const details = {
        line: 'the line',
        at: 7,
        log: 'runs/a.log',
        signature: 'KeyError',
        iteration: 9,
        iterationsRun: 3,
        damaged: 'runs/a.pth',
        ofGang: true,
      } as const;
      assert.deepEqual(nameFailure(through(fail(type, 'boom', { ...details, host: 'says-who' })), 'gpu-1'), {
        ...details,
        type,
        message: 'boom',
        // Whose activity it was is known for certain.
        host: 'gpu-1',
      });
    });
  }

  it('takes a queue that no one serves for a lost host', () => {
    const timeout = new TimeoutFailure('timed out', undefined, TimeoutType.SCHEDULE_TO_START);
    assert.deepEqual(nameFailure(through(timeout), 'gpu-1'), {
      ...{ type: 'HostLost', host: 'gpu-1' },
      message: 'host gpu-1 is lost: no worker took its work',
    });
  });

  for (const timeoutType of [
    TimeoutType.HEARTBEAT,
    TimeoutType.START_TO_CLOSE,
    TimeoutType.SCHEDULE_TO_CLOSE,
  ]) {
    it(`takes a time-out of kind ${timeoutType} for a lost host`, () => {
      const failure = nameFailure(through(new TimeoutFailure('timed out', undefined, timeoutType)), 'gpu-1');
      assert.equal(failure.type, 'HostLost');
      assert.match(failure.message, /does not answer any more/);
    });
  }

  it('calls everything else a crash, and keeps what it said', () => {
    const others = [
      through(ApplicationFailure.create({ type: 'TypeError', message: 'x is not a function' })),
      through(ApplicationFailure.create({ message: 'x is not a function' })),
      new Error('x is not a function'),
      'x is not a function',
    ];
    for (const other of others) {
      const { type, host, message } = nameFailure(other, 'gpu-1');
      assert.deepEqual([type, host], ['TrainerCrashed', 'gpu-1']);
      assert.match(message, /without a name: x is not a function$/);
    }
  });

  it('leaves out details that are not what they should be', () => {
    for (const details of [[], [null], ['text'], [{ line: 7, at: 'now', other: true }]]) {
      const failure = ApplicationFailure.create({ type: 'Hang', message: 'silent', details });
      assert.deepEqual(nameFailure(failure, 'gpu-1'), { type: 'Hang', host: 'gpu-1', message: 'silent' });
    }
  });
});

describe('iterationsBefore', () => {
  it('is what a host says it ran, whether it failed or was cancelled', () => {
    assert.equal(iterationsBefore(through(fail('Hang', 'silent', { iterationsRun: 7 }))), 7);
    assert.equal(iterationsBefore(through(new CancelledFailure('ended', [{ iterationsRun: 7 }]))), 7);
  });

  it('is none where the host could not say', () => {
    const others = [
      through(fail('Hang', 'silent')),
      through(new CancelledFailure('ended')),
      through(new TimeoutFailure('timed out', undefined, TimeoutType.HEARTBEAT)),
      new Error('boom'),
    ];
    assert.deepEqual(others.map(iterationsBefore), [0, 0, 0, 0]);
  });
});

/** As a workflow gets it. */
function through(cause: Error): ActivityFailure {
  const { NON_RETRYABLE_FAILURE } = RetryState;
  return new ActivityFailure(
    'Activity task failed',
    'trainRank',
    '1',
    NON_RETRYABLE_FAILURE,
    'worker',
    cause,
  );
}
