import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NamedFailure } from '../../../contracts/failures.ts';
import type { StageState } from '../../../contracts/runs.ts';
import {
  afterFailure,
  afterLacking,
  afterOpening,
  avoidedBy,
  initialStageState,
  standingOf,
  withEvent,
} from '../../../workflows/stage/stage-state.ts';
import { decide } from '../../../workflows/stage/recovery.ts';
import { stagePlan } from '../../fixtures/stage-plan.ts';

const { limits } = stagePlan('state');
const ended = (iterationsRun: number, at: number) => ({ iterationsRun, at, limits });
const crash = { type: 'TrainerCrashed', host: 'gpu-1', message: 'boom' } as const;

test('an attempt that failed counts against the budget, with what it ran', () => {
  const once = afterFailure({ ...initialStageState, attempt: 1 }, crash, ended(30, 1000));
  const twice = afterFailure({ ...once, attempt: 2 }, crash, ended(12, 2000));
  assert.equal(twice.attemptsWithoutProgress, 2);
  assert.equal(twice.iterationsRun, 42);
  assert.deepEqual(twice.events, [
    { at: 1000, failure: 'TrainerCrashed', text: 'attempt 1 failed on gpu-1: TrainerCrashed: boom' },
    { at: 2000, failure: 'TrainerCrashed', text: 'attempt 2 failed on gpu-1: TrainerCrashed: boom' },
  ]);
});

test('a failure for which other hosts are tried spends no budget of its class', () => {
  const unfit = { type: 'HostUnfit', host: 'gpu-1', message: 'no data' } as const;
  const tried = afterFailure(initialStageState, unfit, { ...ended(0, 1), spendsBudget: false });
  assert.deepEqual([tried.budgets, tried.attemptsWithoutProgress, tried.failures], [undefined, 1, 1]);
  assert.equal(afterFailure(initialStageState, unfit, ended(0, 1)).budgets?.host?.spent, 1);
});

test('a failure that is not of one host names none', () => {
  const { events } = afterFailure(initialStageState, { type: 'Hang', message: 'silent' }, ended(0, 1));
  assert.equal(events[0]?.text, 'attempt 0 failed: Hang: silent');
});

test('a newer checkpoint refills the budget', () => {
  const failed = { ...initialStageState, committedIterations: 50, attemptsWithoutProgress: 3 };
  const opened = afterOpening(failed, 60);
  assert.deepEqual([opened.committedIterations, opened.attemptsWithoutProgress], [60, 0]);
});

test('the same checkpoint, or an older one since the newest is damaged, does not', () => {
  const failed = { ...initialStageState, committedIterations: 50, attemptsWithoutProgress: 3 };
  assert.equal(afterOpening(failed, 50).attemptsWithoutProgress, 3);
  const fellBack = afterOpening(failed, 40);
  assert.deepEqual([fellBack.committedIterations, fellBack.attemptsWithoutProgress], [40, 3]);
});

test('the newest fifty events are kept, so that the state stays small for as long as a stage takes', () => {
  let state = initialStageState;
  for (let at = 1; at <= 1000; at += 1) state = withEvent(state, { at, text: 'again' });
  assert.equal(state.events.length, 50);
  assert.deepEqual([state.events[0]?.at, state.events.at(-1)?.at], [951, 1000]);
});

test('an event of a large gang’s failure is cut, so that the state crosses a continue-as-new', () => {
  const failure = { ...crash, message: 'host-1 has no data; '.repeat(5000) };
  const { events } = afterFailure({ ...initialStageState, attempt: 1 }, failure, ended(0, 1));
  assert.ok((events[0]?.text.length ?? 0) <= 4000);
});

test('nothing of the state is lost as JSON, as which it crosses a continue-as-new', () => {
  const state = afterFailure(
    { ...initialStageState, avoid: ['gpu-2'], hosts: ['gpu-1'] },
    crash,
    ended(1, 2),
  );
  assert.deepEqual(JSON.parse(JSON.stringify(state)), state);
});

test('each class of failures has a budget of its own, until a newer checkpoint refills them all', () => {
  let state = { ...initialStageState, committedIterations: 50 };
  for (const type of ['TrainerCrashed', 'TrainerKilled', 'Hang'] as const)
    state = afterFailure(state, { ...crash, type }, ended(1, 1));
  const spent = (type: 'TrainerCrashed' | 'Hang' | 'HostLost') =>
    standingOf(state, { ...crash, type }, limits);
  assert.deepEqual([spent('TrainerCrashed').budget.spent, spent('Hang').budget.spent], [2, 1]);
  state = afterOpening(state, 60);
  assert.equal(state.budgets, undefined);
});

test('what was trained before it went back is no progress when it is trained again', () => {
  const diverged = { ...initialStageState, committedIterations: 50, attemptsWithoutProgress: 1 };
  const back = afterOpening({ ...diverged, goBack: { kind: 'one' }, wentBack: true }, 40);
  assert.deepEqual([back.committedIterations, back.bestIterations, back.goBack], [40, 50, undefined]);
  const again = afterOpening(back, 50);
  assert.deepEqual([again.attemptsWithoutProgress, again.wentBack], [1, true]);
  const further = afterOpening(again, 51);
  assert.deepEqual([further.attemptsWithoutProgress, further.wentBack], [0, undefined]);
});

test('a crash counts as the same one by its signature and its iteration, whatever its attempt ran', () => {
  const same = { ...crash, line: 'KeyError: 7 at 0x7f', signature: 'KeyError reader.py:7', iteration: 57 };
  let state: StageState = { ...initialStageState, committedIterations: 50 };
  const times = (failure: NamedFailure) => {
    state = afterFailure(state, failure, ended(7, 1));
    return state.crash?.times;
  };
  assert.deepEqual([times(same), times({ ...same, line: 'KeyError: 7 at 0x9a' })], [1, 2]);
  assert.equal(times({ ...same, iteration: 58 }), 1, 'it came further');
  assert.equal(times({ ...same, signature: 'IndexError', iteration: 58 }), 1, 'another error');
  assert.equal(times({ ...same, type: 'TrainerKilled' }), undefined, 'a signal is bad luck');
  assert.deepEqual(
    [times(crash), times({ ...crash, line: 'x' }), times({ ...crash, line: 'x' })],
    [undefined, 1, 2],
  );
});

test('hosts that lack what the plan needs are known once, each with its newest reason', () => {
  let state = afterLacking(initialStageState, [{ host: 'a', reason: 'data: none' }]);
  state = afterLacking(state, [
    { host: 'a', reason: 'room: none' },
    { host: 'b', reason: 'x'.repeat(9999) },
  ]);
  assert.deepEqual(avoidedBy({ ...state, avoid: ['c', 'a'] }), ['c', 'a', 'b']);
  assert.deepEqual(
    state.lacking?.map(({ reason }) => reason.length),
    [10, 500],
  );
});

test('no more attempts are told to be left, or spent, than there were, when the last was one too many', () => {
  const few = { ...limits, attemptsWithoutProgress: 1 };
  const at = { iterationsRun: 0, at: 1, limits: few };
  const once = afterFailure(initialStageState, crash, at);
  const twice = afterFailure(once, crash, at);
  assert.deepEqual(
    [once.budgets?.trainer, twice.budgets?.trainer],
    [
      { spent: 1, limit: 1 },
      { spent: 1, limit: 1, exceeded: true },
    ],
  );
  assert.equal(decide(crash, standingOf(once, crash, few)).kind, 'again');
  assert.equal(decide(crash, standingOf(twice, crash, few)).kind, 'stop');
});
