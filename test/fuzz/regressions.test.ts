import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { mutated, randomOf } from './mutate.ts';
import { TARGETS } from './targets.ts';
import { tryCase } from './try-case.ts';

/** Enough to notice a parser that breaks easily; `npm run fuzz` looks for the others. */
const CASES = 40;

describe('parsers of what others write', () => {
  it('have a name each', () => {
    assert.equal(new Set(TARGETS.map(({ name }) => name)).size, TARGETS.length);
  });

  for (const target of TARGETS)
    it(`answer soon and throw nothing but the errors that are known: ${target.name}`, async () => {
      const { seeds, hostile = [] } = target;
      const changed = Array.from({ length: CASES }, (_, number) => mutated(seeds, randomOf(number)));
      for (const input of [...seeds, ...hostile, ...changed]) {
        const bytes = Buffer.from(input);
        assert.equal(await tryCase(target, bytes), undefined, bytes.toString('latin1', 0, 300));
      }
    });
});
