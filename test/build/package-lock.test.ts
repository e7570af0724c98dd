import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { z } from 'zod';
import { packageRoot } from '../../planning/environment/package-root.ts';

const lockSchema = z.object({
  packages: z.record(
    z.string(),
    z.object({ integrity: z.string().optional(), resolved: z.string().optional() }),
  ),
});

test('every package of the lock has its SHA-512, and none comes from elsewhere than the registry', async () => {
  const text = await readFile(join(packageRoot, 'package-lock.json'), 'utf8');
  const { packages } = lockSchema.parse(JSON.parse(text));
  const all = Object.entries(packages).filter(([path]) => path !== '');
  assert.ok(all.length > 100);
  const bare = all.filter(([, { integrity = '' }]) => !integrity.startsWith('sha512-')).map(([path]) => path);
  assert.deepEqual(bare, [], 'run: node .ci/complete-lock.mjs package-lock.json');
  const elsewhere = all.filter(
    ([, { resolved }]) => resolved?.startsWith('https://registry.npmjs.org/') === false,
  );
  assert.deepEqual(elsewhere, []);
});
