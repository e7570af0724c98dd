import { after, before, describe, it } from 'node:test';
import { startLab, type Lab } from '../support/lab.ts';
import { LAB, PLAYS } from './plays.ts';

describe('with nothing kept in memory, every step replayed', { concurrency: true }, () => {
  let lab: Lab;
  before(async () => (lab = await startLab(LAB)));
  after(() => lab.stop());

  for (const [title, play] of Object.entries(PLAYS)) {
    it(title, async () => {
      await play(lab, title);
    });
  }
});
