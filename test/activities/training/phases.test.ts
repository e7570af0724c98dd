import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { hasLoaded, phaseOf, type PhaseSigns } from '../../../activities/training/supervise.ts';
import type { PhaseRecord } from '../../../activities/training/progress/companion-files.ts';

const said = (phase: PhaseRecord['phase']): PhaseRecord => ({ phase, since: 0, at: 0 });
const nothing: PhaseSigns = { metrics: undefined, behind: false, said: undefined, ranks: [], started: true };
const waiting = { iteration: 1, waits: true, ownSeconds: 1 };

describe('the phase that a host shows', () => {
  it("is the trainer's own word on every host of the gang, from its start on", () => {
    for (const machineRank of [0, 1])
      for (const [phase, shown] of [
        ['start', 'starting'],
        ['rendezvous', 'rendezvous'],
        ['data', 'data'],
        ['training', 'training'],
      ] as const)
        assert.equal(phaseOf({ machineRank }, { ...nothing, said: said(phase) }), shown);
  });

  it('stays what the trainer does while a checkpoint is uploaded', () => {
    for (const phase of ['training', 'saving', 'evaluating'] as const)
      assert.equal(phaseOf({ machineRank: 0 }, { ...nothing, behind: true, said: said(phase) }), phase);
  });

  it('is training where a companion could not hook in, but the trainer shows that it trains', () => {
    const metrics = { iteration: 20 };
    assert.equal(phaseOf({ machineRank: 0 }, { ...nothing, said: said('start'), metrics }), 'training');
    const ranks = [waiting];
    assert.equal(phaseOf({ machineRank: 1 }, { ...nothing, said: said('start'), ranks }), 'training');
  });

  it('is what metrics and uploads tell where there is no companion', () => {
    assert.equal(phaseOf({ machineRank: 0 }, nothing), 'starting');
    assert.equal(phaseOf({ machineRank: 1 }, nothing), 'training');
    assert.equal(phaseOf({ machineRank: 0 }, { ...nothing, behind: true }), 'uploading');
  });
});

describe('the checkpoint that a trainer begins from', () => {
  it('is loaded once the trainer has come to its first iteration, and not before', () => {
    const phases = ['start', 'rendezvous', 'data', 'first iteration', 'training', 'saving'] as const;
    assert.deepEqual(
      phases.filter((phase) => hasLoaded({ metrics: undefined, said: said(phase) })),
      ['first iteration', 'training', 'saving'],
    );
    assert.equal(hasLoaded({ metrics: undefined, said: undefined }), false, 'no companion, and no iteration');
    assert.equal(hasLoaded({ metrics: { iteration: 1 }, said: said('start') }), true);
  });
});
