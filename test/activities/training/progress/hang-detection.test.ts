import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import {
  createHangWatch,
  hangText,
  historicalPhaseDurations,
  type Hang,
  type Signs,
} from '../../../../activities/training/progress/hang-detection.ts';
import { stagePlan } from '../../../fixtures/stage-plan.ts';
import { makeJob, makeScratch } from '../jobs.ts';
import { rankInput } from '../ranks.ts';

const training: Signs = {
  metrics: undefined,
  said: { phase: 'training', since: 1, at: 1, iterations: 7 },
  ranks: [{ iteration: 7, waits: false, ownSeconds: 1 }],
  log: '',
};
const waiting: Signs = { ...training, ranks: [{ iteration: 7, waits: true, ownSeconds: 1 }] };
const silent: Signs = { metrics: undefined, said: undefined, ranks: [], log: '' };

/** Looks every five seconds for two minutes, by a host of a gang of two where nothing else is said. */
function watch(machineRank: number, at: (seconds: number) => Signs, hosts = 2): Hang | undefined {
  const plan = { ...stagePlan('pool'), gang: { hosts, gpusPerHost: 2 } };
  const limits = { ...plan.limits, phaseTimeoutsMs: { iteration: 30_000, rendezvous: 50_000 } };
  const hangs = createHangWatch({ ...rankInput('run'), machineRank, plan: { ...plan, limits } }, {});
  for (let seconds = 0; seconds <= 120; seconds += 5) {
    const hang = hangs.look(at(seconds), seconds * 1000);
    if (hang !== undefined) return hang;
  }
  return undefined;
}

describe('createHangWatch', () => {
  it('names the phase, the limit and where it comes from', () => {
    const rendezvous: Signs = { ...training, said: { phase: 'rendezvous', since: 1, at: 1 }, ranks: [] };
    const hang = watch(0, () => rendezvous);
    assert.ok(hang);
    assert.equal(
      hangText(hang),
      "no sign of progress in 'rendezvous' for 60 s (limit 50 s: limits.phases.rendezvous); all ranks of this host were waiting for others, so the trainer was ended",
    );
  });

  it('has a host speak first whose own work takes so long, and none that waits but rank 0, later', () => {
    assert.equal(watch(1, () => training)?.silentMs, 35_000);
    assert.equal(
      watch(1, () => waiting),
      undefined,
    );
    assert.equal(watch(0, () => training)?.silentMs, 35_000);
    assert.equal(watch(0, () => waiting)?.silentMs, 35_000);
  });

  it('suspects the whole gang unless it is the own work of a host, and never others than a host that is alone', () => {
    const ofGang = (signs: Signs, hosts: number) => watch(0, () => signs, hosts)?.ofGang;
    assert.deepEqual([ofGang(training, 2), ofGang(waiting, 2), ofGang(silent, 2)], [false, true, true]);
    assert.deepEqual([ofGang(training, 1), ofGang(waiting, 1), ofGang(silent, 1)], [false, false, false]);
  });

  it('says nothing on other hosts than that of rank 0 where no companion tells whose fault it is', () => {
    assert.equal(
      watch(1, () => silent),
      undefined,
    );
    assert.equal(
      watch(1, () => ({ ...training, ranks: [] })),
      undefined,
    );
    assert.deepEqual(watch(0, () => silent)?.limit, { ms: 60_000, source: 'limits.stallTimeout' });
  });

  it('takes an iteration for progress, and a new phase', () => {
    const slow = (seconds: number): Signs => ({
      ...training,
      said: { phase: 'training', since: 1, at: seconds, iterations: Math.floor(seconds / 25) },
    });
    assert.equal(watch(0, slow), undefined);
    const saves = (seconds: number): Signs => ({
      ...training,
      said: { phase: seconds % 50 < 25 ? 'training' : 'saving', since: Math.floor(seconds / 25), at: 1 },
    });
    assert.equal(watch(0, saves), undefined);
  });

  it('does not take complaints in the log for iterations, but for a sign of life where no one counts any', () => {
    assert.equal(watch(0, (seconds) => ({ ...training, log: String(seconds) }))?.silentMs, 35_000);
    assert.equal(
      watch(0, (seconds) => ({ ...silent, log: String(seconds) })),
      undefined,
    );
    const data: Signs = { ...training, said: { phase: 'data', since: 1, at: 1 }, ranks: [] };
    assert.equal(
      watch(0, (seconds) => ({ ...data, log: String(seconds) })),
      undefined,
    );
  });

  it('does not believe that a trainer still starts that has trained: its companion found no place', () => {
    const started: Signs = {
      ...silent,
      metrics: { iteration: 7 },
      said: { phase: 'start', since: 1, at: 1 },
    };
    const hang = watch(0, () => started);
    assert.ok(hang);
    assert.match(hangText(hang), /^no sign of progress for 65 s \(limit 60 s: limits\.stallTimeout\), so/);
  });

  it('does not count the time in which the worker itself did not look', () => {
    const plan = stagePlan('pool');
    const hangs = createHangWatch({ ...rankInput('run'), plan }, {});
    hangs.look(silent, 0);
    assert.equal(hangs.look(silent, 3_600_000), undefined);
  });
});

describe('historicalPhaseDurations', () => {
  it('knows what earlier attempts on the host have seen, and what the checkpoint says', async (test) => {
    const scratch = await makeScratch(test);
    const [first, second] = [await makeJob(test, 1, scratch), await makeJob(test, 2, scratch)];
    const said = { phase: 'training', since: 1, at: 1, longestSeconds: 2, longest: { data: 40, saving: 3 } };
    await writeFile(join(first.folder, 'phase.json'), JSON.stringify(said));
    await writeFile(join(second.folder, 'phase.json'), JSON.stringify({ ...said, longest: { data: 99 } }));
    const file = { key: 'k', sha256: 'a'.repeat(64), sizeBytes: 1 };
    const saved = { run: 'run', stage: 'stage1', token: 1, name: 'model_0000009.pth', iterations: 10 };
    const times = { secondsPerIteration: 1, stall: 5 };
    const resumeFrom = { ...saved, final: false, file, savedAt: 1, times };
    assert.deepEqual(await historicalPhaseDurations(scratch, second, { resumeFrom }), {
      data: 40,
      saving: 5,
      iteration: 2,
    });
  });
});
