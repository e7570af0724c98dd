/**
 * @module A host without what a plan needs must not swallow every run that comes to it, and a plan that no host suits
 * must not go round for ever: on a real server, with the real pool.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { fail } from '../../../activities/support/failures.ts';
import type { HostCheck } from '../../../contracts/health.ts';
import { startLab, type Lab } from '../../support/lab.ts';
import {
  failedAs,
  finish,
  join,
  leasesOf,
  setScene,
  startStage,
  stateOf,
  trainForEver,
  viewPoolOf,
  type Scene,
} from '../../support/scene.ts';
import { until } from '../../support/until.ts';

const oneHost = { gang: { hosts: 1, gpusPerHost: 2 } };
const noData: HostCheck = { name: 'data', outcome: 'failed', said: 'no lvis below DETECTRON2_DATASETS' };
const lacking =
  (...hosts: readonly string[]) =>
  (_: unknown, host: string) =>
    Promise.resolve({ checks: hosts.includes(host) ? [noData] : [] });

describe('a host that lacks what the plan needs', { concurrency: true }, () => {
  let lab: Lab;
  before(async () => (lab = await startLab()));
  after(() => lab.stop());

  it('is avoided and counted once another host has passed the checks', async (t) => {
    const scene = await setScene(lab, t, { plan: oneHost, check: lacking('host-a') });
    const result = await (await startStage(scene)).result();
    assert.equal(result.attempts, 2);
    assert.deepEqual(
      scene.trainings.map(({ host }) => host),
      ['host-b'],
    );
    const { budgets, lacking: known } = await stateOf(scene);
    assert.deepEqual([budgets, known], [undefined, undefined], 'it costs no attempt');
    const strikes = async () => (await hostOf(scene, 'host-a'))?.strikes ?? [];
    await until('the strike', async () => (await strikes()).length === 1);
    assert.match((await strikes())[0]?.reason ?? '', /^data: no lvis/);
  });

  it('is waited past for as long as the others are busy', async (t) => {
    const holder = await setScene(
      lab,
      { name: `holder ${t.name}`.slice(0, 60) },
      { hosts: ['host-b'], plan: oneHost, train: trainForEver },
    );
    const scene = await setScene(lab, t, {
      hosts: [],
      plan: { ...oneHost, pool: holder.run },
      limits: { attemptsWithoutProgress: 1, budgets: { host: 1 } },
      check: lacking('host-a'),
    });
    const busy = await startStage(holder);
    await until('host-b to be busy', () => holder.trainings.length === 1);
    await join(holder, 'host-a');
    const handle = await startStage(scene);
    await until('more tries than any budget has', async () => (await stateOf(scene)).attempt >= 3);
    await busy.cancel();
    assert.equal((await handle.result()).artifact.iterations, 100);
    assert.equal(scene.trainings[0]?.host, 'host-b');
  });

  it('stops the plan by name when no host is left that was not tried, naming all and blaming none', async (t) => {
    const hosts = ['host-a', 'host-b', 'host-c'];
    const scene = await setScene(lab, t, { hosts, plan: oneHost, check: lacking(...hosts) });
    const failure = await failedAs(await startStage(scene));
    assert.equal(failure.type, 'MissingFile');
    for (const host of hosts) assert.match(failure.message, new RegExp(host));
    const view = await viewPoolOf(scene);
    assert.deepEqual(
      view.hosts.map(({ strikes = [], usable }) => [strikes.length, usable]),
      hosts.map(() => [0, true]),
    );
    assert.deepEqual(await leasesOf(scene), {});
  });

  it('stops a gang when too few others are left for one, and not before', async (t) => {
    const hosts = ['host-a', 'host-b', 'host-c'];
    const scene = await setScene(lab, t, { hosts, check: lacking('host-a', 'host-b') });
    const failure = await failedAs(await startStage(scene));
    assert.deepEqual([failure.type, (await stateOf(scene)).attempt], ['MissingFile', 1]);
    const other = await setScene(lab, { name: `other ${t.name}` }, { hosts, check: lacking('host-a') });
    await (await startStage(other)).result();
    assert.deepEqual(other.trainings.map(({ host }) => host).toSorted(), ['host-b', 'host-c']);
  });
});

describe('a trainer that fails for what its host alone may lack', { concurrency: true }, () => {
  let lab: Lab;
  before(async () => (lab = await startLab()));
  after(() => lab.stop());
  const hosts = ['host-a', 'host-b', 'host-c'];

  it('is tried on other hosts, and the host counts as failed once they have trained', async (t) => {
    const scene = await setScene(lab, t, {
      hosts,
      plan: oneHost,
      train: (input, host, self) =>
        host === 'host-c'
          ? finish(input, host, self)
          : Promise.reject(
              fail(host === 'host-a' ? 'DiskFull' : 'ImportError', `amiss on ${host}`, { host }),
            ),
    });
    const { attempts } = await (await startStage(scene)).result();
    assert.equal(attempts, 3);
    const { budgets, lacking: known } = await stateOf(scene);
    assert.deepEqual([budgets, known], [undefined, undefined]);
    const strikes = async () => (await viewPoolOf(scene)).hosts.map(({ strikes: all = [] }) => all.length);
    await until('the strikes', async () => (await strikes()).join() === '1,1,0');
  });

  it('stops the stage where it fails on three hosts, naming what each failed with and blaming none', async (t) => {
    const scene = await setScene(lab, t, {
      hosts,
      plan: oneHost,
      train: (_, host) => Promise.reject(fail('MissingFile', `no weights on ${host}`, { host })),
    });
    const failure = await failedAs(await startStage(scene));
    assert.equal(failure.type, 'MissingFile');
    for (const host of hosts) assert.match(failure.message, new RegExp(`no weights on ${host}`));
    assert.deepEqual(
      scene.trainings.map(({ host }) => host),
      hosts,
    );
    assert.deepEqual(
      (await viewPoolOf(scene)).hosts.map(({ strikes = [] }) => strikes.length),
      [0, 0, 0],
    );
  });
});

describe('a hang', { concurrency: true }, () => {
  let lab: Lab;
  before(async () => (lab = await startLab()));
  after(() => lab.stop());

  it('is tried on other hosts where there are some, and counts against the host that is named', async (t) => {
    const scene = await setScene(lab, t, {
      plan: oneHost,
      train: (input, host, self) =>
        host === 'host-a'
          ? Promise.reject(fail('Hang', 'no sign of progress', { host }))
          : finish(input, host, self),
    });
    await (await startStage(scene)).result();
    assert.equal(scene.trainings.at(-1)?.host, 'host-b');
    await until('the strike', async () => (await hostOf(scene, 'host-a'))?.strikes?.length === 1);
    assert.equal((await hostOf(scene, 'host-b'))?.strikes, undefined);
  });

  it('of a whole gang counts once against each of its hosts', async (t) => {
    const scene = await setScene(lab, t, {
      train: (input, host, self) => {
        if (input.attempt === 3) return finish(input, host, self);
        if (host === 'host-b') return trainForEver(input, host, self);
        return Promise.reject(fail('Hang', 'all ranks wait', { host, ofGang: true }));
      },
    });
    await (await startStage(scene)).result();
    const strikes = (await viewPoolOf(scene)).hosts.map(({ strikes: all = [] }) => all.length);
    assert.deepEqual(strikes, [1, 1]);
  });

  it('is followed by another check of the same hosts, as is a rendezvous that failed', async (t) => {
    const checked: string[] = [];
    const scene = await setScene(lab, t, {
      ...{ plan: oneHost, hosts: ['host-a'] },
      check: (_, host) => {
        checked.push(host);
        return Promise.resolve({});
      },
      train: (input, host, self) => {
        const failure = input.attempt === 1 ? 'RendezvousFailed' : input.attempt === 2 ? 'Hang' : undefined;
        if (failure === undefined) return finish(input, host, self);
        return Promise.reject(fail(failure, 'no sign of progress', { host }));
      },
    });
    await (await startStage(scene)).result();
    assert.deepEqual(checked, ['host-a', 'host-a', 'host-a']);
  });
});

async function hostOf(scene: Scene, name: string) {
  return (await viewPoolOf(scene)).hosts.find((host) => host.name === name);
}
