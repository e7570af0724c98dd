/**
 * @module `npm run fuzz -- --minutes M --seed S [--target NAME]`: parsers get small real inputs, changed at random. They
 * must answer soon and in little memory, and throw nothing but the errors that their callers know. The inputs with which
 * one did not are left as files in fuzz-failures/.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { z } from 'zod';
import { mutated, randomOf } from './mutate.ts';
import { TARGETS } from './targets.ts';

const HANG_MS = 20_000;
const MOST_HEAP_MB = 1024;
const FOLDER = 'fuzz-failures';

const { values } = parseArgs({
  options: { minutes: { type: 'string' }, seed: { type: 'string' }, target: { type: 'string' } },
});
const minutes = Number(values.minutes ?? 1);
const seed = Number(values.seed ?? Date.now() % 2 ** 31);
const only = values.target ?? null;
const targets = TARGETS.filter(({ name }) => only === null || name === only);
if (targets.length === 0 || !Number.isFinite(minutes) || !Number.isFinite(seed)) {
  console.error(
    `--minutes and --seed are numbers, --target is one of ${TARGETS.map(({ name }) => name).join(', ')}`,
  );
  process.exit(2);
}

const foundSchema = z.object({
  number: z.number(),
  target: z.string(),
  problem: z.string(),
  input: z.string(),
});
/** One of a kind is enough: by the target and the first line. */
const kinds = new Set<string>();
const end = performance.now() + minutes * 60_000;
console.log(`fuzzing ${targets.length} parsers for ${minutes} minutes: --seed ${seed}`);
let next = 0;
while (performance.now() < end) next = (await watched(next)) + 1;
console.log(`${next} inputs, ${kinds.size} failures`);
process.exitCode = kinds.size === 0 ? 0 : 1;

/** Until the time is over, or the thread is gone. @returns The case that it was at. */
async function watched(first: number): Promise<number> {
  const shared = new SharedArrayBuffer(4);
  const now = new Int32Array(shared);
  const script = join(import.meta.dirname, `worker${extname(import.meta.filename)}`);
  const worker = new Worker(script, {
    workerData: { seed, first, only, shared },
    resourceLimits: { maxOldGenerationSizeMb: MOST_HEAP_MB },
  });
  const gone = new Promise<string>((resolve) => {
    worker.on('error', (error) => resolve(`ended its thread: ${error.name}: ${error.message}`));
    worker.on('exit', () => resolve('ended its thread'));
  });
  worker.on('message', (message: unknown) => {
    const { number, problem, input } = foundSchema.parse(message);
    report(number, problem, Buffer.from(input, 'base64'));
  });
  const problem = await Promise.race([gone, stalled(now)]);
  const at = Atomics.load(now, 0);
  await worker.terminate();
  if (problem !== undefined) report(at, problem, inputOf(at));
  return at;
}

/** What to say when one case takes too long; undefined when the time is over. */
function stalled(now: Int32Array): Promise<string | undefined> {
  return new Promise((resolve) => {
    let [seen, since] = [-1, performance.now()];
    const timer = setInterval(() => {
      const at = Atomics.load(now, 0);
      if (at !== seen) [seen, since] = [at, performance.now()];
      const isOver = performance.now() > end;
      if (!isOver && performance.now() - since < HANG_MS) return;
      clearInterval(timer);
      resolve(isOver ? undefined : `takes more than ${HANG_MS / 1000} s`);
    }, 200);
  });
}

function inputOf(number: number): Buffer {
  return mutated(targets[number % targets.length]?.seeds ?? [], randomOf(seed + number));
}

function report(number: number, problem: string, input: Buffer): void {
  const name = targets[number % targets.length]?.name ?? '';
  const kind = `${name}: ${problem.split('\n')[0]?.replaceAll(/\d+/g, 'N').slice(0, 100) ?? ''}`;
  if (kinds.has(kind)) return;
  kinds.add(kind);
  mkdirSync(FOLDER, { recursive: true });
  const file = join(FOLDER, `${name}-${seed}-${number}`);
  writeFileSync(file, input);
  const [line, ...stack] = problem.split('\n');
  console.log(`FAILED ${name}, --seed ${seed}, case ${number}: ${String(line).slice(0, 500)}`);
  console.log([...stack.slice(0, 5), `  input of ${input.length} bytes: ${file}`].join('\n'));
}
