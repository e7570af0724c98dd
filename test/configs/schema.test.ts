import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { packageRoot } from '../../configs/package-root.ts';
import { jointJsonSchema } from '../../configs/schema.ts';

test('the JSON Schema for editors is current; else run `npm run schema`', async () => {
  const written: unknown = JSON.parse(await readFile(join(packageRoot, 'configs/joint.schema.json'), 'utf8'));
  assert.deepEqual(written, JSON.parse(JSON.stringify(jointJsonSchema())));
});

test('every shipped config tells editors its schema, and people how to start it', async () => {
  const folder = join(packageRoot, 'configs/joint');
  for (const file of await readdir(folder)) {
    const text = await readFile(join(folder, file), 'utf8');
    assert.match(text, /^# yaml-language-server: \$schema=\.\.\/joint\.schema\.json\n/, file);
    assert.ok(text.includes(`glee start joint/${file.replace('.yaml', '')} --run `), file);
  }
});
