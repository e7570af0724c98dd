import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { readHostSettings } from '../../planning/environment/env.ts';
import { EnvironmentError } from '../../planning/environment/environment-error.ts';
import { packageRoot } from '../../planning/environment/package-root.ts';
import { loadPoolSettings } from '../../planning/pool-settings.ts';
import { ConfigError } from '../../planning/reading/problems.ts';
import { DEFAULT_POOL_SETTINGS } from '../../contracts/pool.ts';
import { temporaryFolder, writeInto } from '../fixtures/glee-checkout.ts';

describe("a pool's file", () => {
  it('changes what it says, and leaves the defaults else; without one all are as the package says', async (test) => {
    const folder = await temporaryFolder(test);
    await writeInto(folder, 'pools/a100.yaml', 'ageAfter: 2h\nquotas: { vision: 16 }\n');
    const changed = { ...DEFAULT_POOL_SETTINGS, ageAfterMs: 7_200_000, quotas: { vision: 16 } };
    assert.deepEqual(await loadPoolSettings('a100', folder), changed);
    for (const name of ['other', '../pools/a100', 'a/b'])
      assert.deepEqual(await loadPoolSettings(name, folder), DEFAULT_POOL_SETTINGS);
    assert.deepEqual(await loadPoolSettings('default', `${packageRoot}/configs`), DEFAULT_POOL_SETTINGS);
  });

  it('is refused with file, line and key of each invalid value', async (test) => {
    const wrong: readonly [text: string, ...messages: RegExp[]][] = [
      ['strikes: 0\nageAfter: 1\n', /p\.yaml:1: strikes: /, /p\.yaml:2: ageAfter: /],
      ['quotas: { vision: -1 }\n', /p\.yaml:1: quotas\.vision: /],
      ['quotas:\n  vision: many\n', /p\.yaml:2: quotas\.vision: /],
      ['heartbeatTimeout: 1s\n', /heartbeatTimeout: must be from 3s to 1d/],
      ['yieldWithin: soon\n', /yieldWithin: 'soon' is no duration: write a number and a unit/],
      ['agAfter: 2h\n', /agAfter: unknown key; did you mean 'ageAfter'/],
      ['strikes: 1\nstrikes: 2\n', /p\.yaml:2: .*unique/i],
      ['- strikes\n', /p\.yaml/],
    ];
    for (const [text, ...messages] of wrong) {
      const folder = await temporaryFolder(test);
      await writeInto(folder, 'pools/p.yaml', text);
      await assert.rejects(loadPoolSettings('p', folder), (error) => {
        assert.ok(error instanceof ConfigError, String(error));
        for (const message of messages) assert.match(error.message, message);
        return true;
      });
    }
  });
});

describe('GLEE_LABELS', () => {
  it('is pairs, or nothing', (test) => {
    assert.deepEqual(labels(test, ''), {});
    assert.deepEqual(labels(test, 'zone=b,gpu=h100'), { zone: 'b', gpu: 'h100' });
    for (const wrong of ['zone', 'zone=', '=b', 'zone=b,', ',zone=b', 'zone=b;gpu=h100', 'a=b=c', 'zone=b c'])
      assert.throws(
        () => labels(test, wrong),
        (error) => error instanceof EnvironmentError && /^GLEE_LABELS: .*zone=b,gpu=h100/.test(error.message),
        wrong,
      );
  });

  it('is refused where it says one thing twice', (test) => {
    assert.throws(() => labels(test, 'zone=a,zone=b'), /GLEE_LABELS: must say each key once/);
  });
});

function labels(test: TestContext, text: string) {
  Object.assign(process.env, { GLEE_LABELS: text, GLEE_CHECKOUT: '/glee' });
  test.after(() => {
    for (const name of ['GLEE_LABELS', 'GLEE_CHECKOUT']) Reflect.deleteProperty(process.env, name);
  });
  return readHostSettings().labels;
}
