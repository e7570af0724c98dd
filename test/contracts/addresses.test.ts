import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { addressProblem, isPort, urlHost } from '../../contracts/addresses.ts';

describe('addressProblem', () => {
  it('takes names, IPv4 and IPv6 addresses', () => {
    for (const address of [
      'gpu-1',
      'gpu_1.lab.example.org',
      '10.0.0.1',
      '::1',
      'fd00:1::2',
      '::ffff:1.2.3.4',
    ])
      assert.equal(addressProblem(address), undefined, address);
  });

  it('refuses what is none, above all what a shell or a URL would read otherwise', () => {
    const bad = [
      '',
      ' ',
      'a b',
      'a;id',
      '$(id)',
      'a:1',
      '[::1]',
      '-a',
      'a/b',
      'a@b',
      'a\nb',
      'ü',
      'a'.repeat(254),
    ];
    for (const address of bad) assert.match(addressProblem(address) ?? '', /is no address/, address);
  });

  it('answers at once, and shortly, to a hostile one', () => {
    const startedAt = Date.now();
    assert.ok((addressProblem('a.'.repeat(1e6)) ?? '').length < 200);
    assert.ok((addressProblem(':'.repeat(1e6)) ?? '').length < 200);
    assert.ok(Date.now() - startedAt < 1000);
  });
});

describe('urlHost', () => {
  it('puts an IPv6 address in brackets', () => {
    assert.deepEqual(['gpu-1', '10.0.0.1', '::1'].map(urlHost), ['gpu-1', '10.0.0.1', '[::1]']);
  });
});

describe('isPort', () => {
  it('takes whole numbers from 1 to 65535', () => {
    assert.deepEqual([0, 1, 65_535, 65_536, 1.5, NaN].map(isPort), [false, true, true, false, false, false]);
  });
});
