import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { packageRoot } from '../../../planning/environment/package-root.ts';
import { fineTuneJsonSchema } from '../../../planning/schemas/fine-tune-schema.ts';
import { jointJsonSchema } from '../../../planning/schemas/joint-schema.ts';

test('the JSON Schema for editors is current; else run `npm run schema`', async () => {
  for (const [name, schema] of [
    ['joint', jointJsonSchema()],
    ['finetune', fineTuneJsonSchema()],
  ] as const) {
    const path = join(packageRoot, `configs/${name}.schema.json`);
    const written: unknown = JSON.parse(await readFile(path, 'utf8'));
    assert.deepEqual(written, JSON.parse(JSON.stringify(schema)));
  }
});

test("every shipped fine-tune's config tells editors its schema, and people how to look at it", async () => {
  const folder = join(packageRoot, 'configs/finetune');
  for (const file of await readdir(folder)) {
    const text = await readFile(join(folder, file), 'utf8');
    assert.match(text, /^# yaml-language-server: \$schema=\.\.\/finetune\.schema\.json\n/, file);
    assert.ok(text.includes(`glee plan finetune/${file.replace('.yaml', '')}\n`), file);
  }
});

test('every shipped config tells editors its schema, and people how to start it', async () => {
  const folder = join(packageRoot, 'configs/joint');
  for (const file of await readdir(folder)) {
    const text = await readFile(join(folder, file), 'utf8');
    assert.match(text, /^# yaml-language-server: \$schema=\.\.\/joint\.schema\.json\n/, file);
    assert.ok(text.includes(`glee start joint/${file.replace('.yaml', '')} --run `), file);
  }
});
