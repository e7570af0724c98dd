import assert from 'node:assert/strict';
import { appendFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import {
  readAnswer,
  readPhase,
  readSaves,
} from '../../../../activities/training/progress/companion-files.ts';
import { makeJob } from '../jobs.ts';

describe('what the companion says', () => {
  it('is nothing while it has said nothing', async (test) => {
    const job = await makeJob(test);
    assert.equal(await readPhase(job), undefined);
    assert.equal(await readAnswer(job), undefined);
    assert.deepEqual(await readSaves(job), []);
  });

  it('is nothing when a companion of another version says it', async (test) => {
    const job = await makeJob(test);
    await writeFile(join(job.folder, 'phase.json'), JSON.stringify({ phase: 'dreaming', since: 1, at: 1 }));
    assert.equal(await readPhase(job), undefined);
  });

  it('is read up to the line that is being written', async (test) => {
    const job = await makeJob(test);
    const path = join(job.folder, 'saves.jsonl');
    const save = { name: 'model_0000009.pth', iteration: 9, stallSeconds: 1.5, writeSeconds: 2, at: 1 };
    await writeFile(path, `${JSON.stringify(save)}\n`);
    await appendFile(path, '{"name": "model_00000');
    assert.deepEqual(await readSaves(job), [save]);
  });
});
