/**
 * @module `npm test`: runs all test files with node's own runner. `npm test -- recovery pool` runs those whose path
 * holds one of the words.
 */
import { readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { run, type TestsStream } from 'node:test';
import { spec } from 'node:test/reporters';
import { inspect } from 'node:util';
import { packageRoot } from '../configs/package-root.ts';
import { obtainServer } from '../sandbox/obtain.ts';

const words = process.argv.slice(2);
const files = readdirSync(import.meta.dirname, { recursive: true, encoding: 'utf8' })
  .filter(
    (file) => file.endsWith('.test.js') && (words.length === 0 || words.some((word) => file.includes(word))),
  )
  .sort();
if (files.length === 0) {
  console.error(`no test file's path holds ${words.map((word) => `'${word}'`).join(' or ')}`);
  process.exit(1);
}

// The servers first: the tests that need them have deadlines, and a build on a fresh machine takes minutes.
const onProgress = (text: string) => console.log(text);
for (const name of ['temporal', 'versitygw'] as const) await obtainServer(name, { onProgress });

// Two files at a time, but never two of those that run whole gangs of trainers: the machine may have two cores.
const isWholeRun = (file: string) => file.startsWith('integration/');
const lanes = [files.filter(isWholeRun), files.filter((file) => !isWholeRun(file))].filter(
  (lane) => lane.length > 0,
);
const streams = lanes.map((lane) =>
  run({ files: lane.map((file) => join(import.meta.dirname, file)), concurrency: 1 }),
);
const counts = { passed: 0, failed: 0 };
/** What failed and why, told once more at the end: what stands between thousands of lines is not found, or was cut off. */
const failures: string[] = [];
for (const stream of streams) count(stream);
// One after the other, as the lines of two would mix; what the later one says is kept until its turn.
for (const stream of streams) await pipeline(stream, new spec(), process.stdout, { end: false });
for (const failure of failures) console.log(failure);
console.log(`${String(counts.passed)} passed, ${String(counts.failed)} failed`);
process.exitCode = counts.failed === 0 ? 0 : 1;

/** Of suites only those that failed by themselves, in what comes before or after their tests. */
function count(stream: TestsStream): void {
  stream.on('test:pass', ({ details, skip }) => {
    if (details.type !== 'suite' && !skip) counts.passed += 1;
  });
  stream.on('test:fail', ({ name, file, details: { error } }) => {
    const isOfItsTests = 'failureType' in error && error.failureType === 'subtestsFailed';
    if (isOfItsTests) return;
    counts.failed += 1;
    const path = file === undefined ? '' : relative(packageRoot, file);
    failures.push(`\nFAILED ${path}: ${name}\n${inspect(error.cause)}`);
  });
}
