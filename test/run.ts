/**
 * @module `npm test`: runs all test files with node's own runner. `npm test -- recovery pool` runs those whose path
 * holds one of the words.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { obtainServer } from '../sandbox/obtain.ts';

const words = process.argv.slice(2);
const files = readdirSync(import.meta.dirname, { recursive: true, encoding: 'utf8' })
  .filter(
    (file) => file.endsWith('.test.js') && (words.length === 0 || words.some((word) => file.includes(word))),
  )
  .sort()
  .map((file) => join(import.meta.dirname, file));
if (files.length === 0) {
  console.error(`no test file's path holds ${words.map((word) => `'${word}'`).join(' or ')}`);
  process.exit(1);
}

// The servers first: the tests that need them have deadlines, and a build on a fresh machine takes minutes.
const onProgress = (text: string) => console.log(text);
for (const name of ['temporal', 'versitygw'] as const) await obtainServer(name, { onProgress });

// One file at a time: several of them run a whole gang of trainers, and the machine may have two cores.
const events = run({ files, concurrency: 1 });
events.on('test:fail', () => (process.exitCode = 1));
await pipeline(events, new spec(), process.stdout, { end: false });
