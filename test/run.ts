/**
 * @module `npm test`: runs all test files with node's own runner. `npm test -- recovery pool` runs those whose path
 * holds one of the words; `npm run test:unit` those that need no Temporal, no S3 and no trainer.
 */
import { readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { run, type TestsStream } from 'node:test';
import { spec } from 'node:test/reporters';
import { inspect } from 'node:util';
import { packageRoot } from '../planning/environment/package-root.ts';
import { obtainServer } from '../sandbox/obtain.ts';
import { needsServices } from './needs-services.ts';

const isUnit = process.argv[2] === '--unit';
const words = process.argv.slice(isUnit ? 3 : 2);
const files = readdirSync(import.meta.dirname, { recursive: true, encoding: 'utf8' })
  .filter(
    (file) => file.endsWith('.test.js') && (words.length === 0 || words.some((word) => file.includes(word))),
  )
  .filter(
    (file) => !isUnit || !needsServices(join(import.meta.dirname, '..'), join(import.meta.dirname, file)),
  )
  .sort();
if (files.length === 0) {
  console.error(`no test file's path holds ${words.map((word) => `'${word}'`).join(' or ')}`);
  process.exit(1);
}

// The servers first: the tests that need them have deadlines, and a build on a fresh machine takes minutes.
const onProgress = (text: string) => console.log(text);
if (!isUnit) for (const name of ['temporal', 'versitygw'] as const) await obtainServer(name, { onProgress });

// Two files at a time, but never two of those that run whole gangs of trainers: the machine may have two cores.
const isWholeRun = (file: string) => file.startsWith('integration/');
const lanes = (
  isUnit
    ? [files.filter((_, index) => index % 2 === 0), files.filter((_, index) => index % 2 === 1)]
    : [files.filter(isWholeRun), files.filter((file) => !isWholeRun(file))]
).filter((lane) => lane.length > 0);
/** More than this many are no noise. */
const MOST_AGAIN = 3;

interface Outcome {
  readonly passed: number;
  /** What failed, and why. */
  readonly failures: readonly string[];
}
const outcomes = new Map<string, Outcome>();
await runTests(lanes);

// On two shared cores a neighbour can be too loud for a deadline: what failed has another try, without a neighbour.
// It is told as flaky then, since a test that needs this is to be mended.
const first = failures();
const again = files.filter((file) => (outcomes.get(file)?.failures.length ?? 0) > 0);
if (again.length > 0 && again.length <= MOST_AGAIN) {
  console.log(`\nonce more, alone: ${again.join(', ')}\n`);
  for (const file of again) outcomes.delete(file);
  await runTests([again]);
}

// Told once more at the end: what stands between thousands of lines is not found, or was cut off.
const left = failures();
if (left.length === 0) for (const failure of first) console.log(`\nFLAKY ${failure}`);
for (const failure of left) console.log(`\nFAILED ${failure}`);
const passed = [...outcomes.values()].reduce((sum, outcome) => sum + outcome.passed, 0);
console.log(`${passed} passed, ${left.length} failed`);
process.exitCode = left.length === 0 ? 0 : 1;

/** Runs the lanes beside each other, each one file at a time. */
async function runTests(lanes: readonly (readonly string[])[]): Promise<void> {
  const streams = lanes.map((lane) =>
    run({ files: lane.map((file) => join(import.meta.dirname, file)), concurrency: 1 }),
  );
  for (const stream of streams) count(stream);
  // One after the other, as the lines of two would mix; what the later one says is kept until its turn.
  for (const stream of streams) await pipeline(stream, new spec(), process.stdout, { end: false });
}

/** Of suites only those that failed by themselves, in what comes before or after their tests. */
function count(stream: TestsStream): void {
  stream.on('test:pass', ({ file, details, skip }) => {
    if (details.type !== 'suite' && !skip) note(file, { passed: 1, failures: [] });
  });
  stream.on('test:fail', ({ name, file, details: { error } }) => {
    const isOfItsTests = 'failureType' in error && error.failureType === 'subtestsFailed';
    if (!isOfItsTests) note(file, { passed: 0, failures: [`${name}\n${inspect(error.cause)}`] });
  });
}

function note(path: string | undefined, { passed, failures }: Outcome): void {
  const file = nameOf(path ?? '');
  const of = outcomes.get(file);
  outcomes.set(file, {
    passed: (of?.passed ?? 0) + passed,
    failures: [...(of?.failures ?? []), ...failures.map((failure) => `${file}: ${failure}`)],
  });
}

/** As in `files`: the runner knows some by their source's path. */
function nameOf(path: string): string {
  return path.endsWith('.ts')
    ? relative(join(packageRoot, 'test'), path).replace(/\.ts$/, '.js')
    : relative(import.meta.dirname, path);
}

function failures(): readonly string[] {
  return [...outcomes.values()].flatMap((outcome) => outcome.failures);
}
