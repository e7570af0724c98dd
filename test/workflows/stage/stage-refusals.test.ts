/** @module What a stage refuses to do where it is now: an order that is accepted takes effect. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { initialStageState } from '../../../workflows/stage/stage-state.ts';
import { refusal } from '../../../workflows/stage/stage-controls.ts';
import { stagePlan } from '../../fixtures/stage-plan.ts';

const plan = stagePlan('refusals');
const order = { kind: 'yield', by: 'ada', why: 'others wait' } as const;

test('a yield is accepted from a stage that holds hosts while it backs off', () => {
  const state = { ...initialStageState, phase: 'backing off', hosts: ['gpu-1'] } as const;
  assert.equal(refusal(order, state, plan), undefined);
});

test('a yield is refused by name where the stage gave its hosts back before it backed off', () => {
  const state = { ...initialStageState, phase: 'backing off' } as const;
  assert.match(refusal(order, state, plan) ?? '', /holds no hosts: it is backing off/);
});
