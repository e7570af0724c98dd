import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { findStraggler } from '../../contracts/straggler.ts';

const gang = (pace: number | undefined, ...own: readonly (number | undefined)[]) =>
  own.map((seconds, index) => ({
    host: `gpu-${index}`,
    ...(index === 0 && pace !== undefined && { secondsPerIteration: pace }),
    ...(seconds !== undefined && { ownSecondsPerIteration: seconds }),
  }));

describe('findStraggler', () => {
  it('names the host that takes far longer by itself than the others', () => {
    assert.deepEqual(findStraggler(gang(1.1, 0.5, 0.9, 0.6, 0.5)), {
      host: 'gpu-1',
      ownSeconds: 0.9,
      othersSeconds: 0.5,
    });
    assert.equal(findStraggler(gang(1, 0.8, 0.5))?.host, 'gpu-0');
  });

  it('names none where the hosts differ little, or where it would spare the gang little', () => {
    assert.equal(findStraggler(gang(1.1, 0.5, 0.6, 0.55)), undefined);
    assert.equal(findStraggler(gang(2, 0.1, 0.25, 0.1)), undefined);
  });

  it('names none while too little is known', () => {
    assert.equal(findStraggler(gang(1, 0.5)), undefined);
    assert.equal(findStraggler(gang(1, 0.9, undefined, undefined)), undefined);
    assert.equal(findStraggler(gang(undefined, 0.1, 0.9)), undefined);
    assert.equal(findStraggler([]), undefined);
  });
});
