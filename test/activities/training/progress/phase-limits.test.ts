import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  lengthsOf,
  longestOf,
  phaseLimit,
  timedPhase,
} from '../../../../activities/training/progress/phase-limits.ts';
import type { StageLimits } from '../../../../contracts/plan.ts';

const limits: StageLimits = {
  heartbeatTimeoutMs: 1,
  hostTimeoutMs: 1,
  stallTimeoutMs: 1_800_000,
  attemptsWithoutProgress: 1,
};

describe('phaseLimit', () => {
  it('is what a person says, whatever was seen', () => {
    const given = { ...limits, phaseTimeoutsMs: { saving: 7_200_000 } };
    assert.deepEqual(phaseLimit('saving', given, { saving: 1 }), {
      ms: 7_200_000,
      source: 'limits.phases.saving',
    });
  });

  it('is ten times the longest that was seen', () => {
    assert.deepEqual(phaseLimit('iteration', limits, { iteration: 61.25 }), {
      ms: 612_500,
      source: '10 × the longest seen, 61 s',
    });
  });

  it('is minutes at least, and the stall time-out at most', () => {
    assert.deepEqual(phaseLimit('iteration', limits, { iteration: 0.9 }), {
      ms: 300_000,
      source: 'the least that is derived; the longest seen is 0.9 s',
    });
    const ceiling = { ms: 1_800_000, source: 'limits.stallTimeout' };
    assert.deepEqual(phaseLimit('saving', limits, { saving: 200 }), ceiling);
    const short = { ...limits, stallTimeoutMs: 60_000 };
    assert.equal(phaseLimit('iteration', short, { iteration: 1 }).ms, 60_000);
  });

  it('is the stall time-out where nothing was seen, and where the length is up to others', () => {
    const ceiling = { ms: 1_800_000, source: 'limits.stallTimeout' };
    assert.deepEqual(phaseLimit('data', limits, { iteration: 1 }), ceiling);
    assert.deepEqual(phaseLimit('rendezvous', limits, { rendezvous: 2 }), ceiling);
    const given = { ...limits, phaseTimeoutsMs: { iteration: 1000 } };
    assert.deepEqual(phaseLimit(undefined, given, { iteration: 1 }), ceiling);
  });
});

describe('what was seen of lengths', () => {
  it('is read from what the companion says', () => {
    const record = {
      phase: 'training',
      since: 1,
      at: 2,
      longestSeconds: 3,
      longest: { data: 9, lunch: 60 },
    } as const;
    assert.equal(timedPhase(record), 'iteration');
    assert.deepEqual(lengthsOf(record), { data: 9, iteration: 3 });
  });

  it('is the longest of all', () => {
    assert.deepEqual(longestOf([{ data: 9, saving: 1 }, {}, { data: 4, iteration: 2 }]), {
      data: 9,
      saving: 1,
      iteration: 2,
    });
  });
});
