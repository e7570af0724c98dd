/**
 * @module `npm run chaos`: a storm over the embedded default. Everything that the pipeline runs on is killed, frozen, cut
 * off, filled up and spoken to in nonsense, in an order that a seed draws, while work of each kind contends for one pool.
 * Invariants are checked from outside all along, and at the end each piece of work must have the undisturbed one's bytes.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Command, InvalidArgumentError } from 'commander';
import { untilStopped } from '../../sandbox/interrupt.ts';
import { startStormLab } from './lab.ts';
import { leftRunning, Storm } from './storm.ts';
import { Story } from './story.ts';
import { describeBlow, drawStrikes, type Strike } from './strikes.ts';
import { undisturbed } from './work.ts';

const CALM_WORK_MS = 180_000;

const options = new Command('chaos')
  .description(
    'Brings a storm of faults over joint trainings, fine-tunes and a sweep, and checks the invariants.',
  )
  .option('--minutes <m>', 'how long the storm lasts; work then has four minutes to end', minutes, 3)
  .option('--seed <n>', 'draws the faults', whole, Math.floor(Math.random() * 1_000_000))
  .option('--only <numbers>', 'only these strikes of the seed, as 12,15,16', numbers)
  .option('--plan', 'print the strikes and end', false)
  .addHelpText(
    'after',
    `
As root, hosts are machines of a network that can be cut, with disks that can be filled; else these are left out.
A violation ends the storm with its seed, what came before it, and the command that has it again.

Examples:
  npm run chaos -- --minutes 3 --seed 7
  npm run chaos -- --minutes 3 --seed 7 --only 12,15,16`,
  )
  .parse()
  .opts<{ minutes: number; seed: number; only?: ReadonlySet<number>; plan: boolean }>();

const seconds = options.minutes * 60;
const strikes = drawStrikes(options.seed, seconds).filter(({ number }) => options.only?.has(number) ?? true);
const command = `npm run chaos -- --minutes ${options.minutes} --seed ${options.seed}`;

if (options.plan) for (const strike of strikes) console.log(lineOf(strike));
else await untilStopped(weather);

async function weather(signal: AbortSignal): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'glee-storm-'));
  const story = { current: new Story(console.log) };
  const lab = await startStormLab({ directory, signal, onProgress: (text) => console.log(text) });
  let completed = 0;
  try {
    for (const what of lab.skipped) console.log(`left out: ${what}`);
    const expected = await undisturbed(lab.stack.client, waiting(signal));
    console.log(`the undisturbed work has ended; ${strikes.length} strikes of seed ${options.seed} follow`);
    story.current = new Story(console.log);
    const storm = new Storm({ lab, strikes, seconds, expected, story: story.current, signal });
    await storm.run();
    completed = storm.completed;
  } finally {
    await lab.stop();
  }
  for (const folder of await leftRunning({ directory }))
    story.current.violate({ rule: 'nothing is left running', text: `a trainer of ${folder}` });
  const failure = story.current.failure(command);
  const violations = story.current.violations.length;
  if (failure === '') await rm(directory, { recursive: true, force: true });
  else console.log(`${failure}\nlogs and data are kept in ${directory}`);
  console.log(
    `seed ${options.seed}: ${strikes.length} strikes in ${options.minutes} min, ${completed} pieces of work with the undisturbed bytes, ${violations} violations`,
  );
  process.exitCode = violations === 0 && completed > 0 ? 0 : 1;
}

function waiting(signal: AbortSignal) {
  return async (what: string, look: () => Promise<string | undefined>): Promise<string> => {
    for (const deadline = performance.now() + CALM_WORK_MS; performance.now() < deadline;) {
      const found = await look();
      if (found !== undefined) return found;
      await delay(200, undefined, { signal });
    }
    throw new Error(`waited ${CALM_WORK_MS / 1000} s in vain for ${what}`);
  };
}

function lineOf({ number, at, blow }: Strike): string {
  return `#${number}  ${at.toFixed(1)} s  ${describeBlow(blow)}`;
}

function minutes(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value <= 24 * 60))
    throw new InvalidArgumentError('must be a number of minutes, above 0 and at most 1440');
  return value;
}

function whole(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('must be a whole number below 1,000,000,000');
  return Number(text);
}

function numbers(text: string): ReadonlySet<number> {
  if (!/^\d{1,6}(,\d{1,6})*$/.test(text))
    throw new InvalidArgumentError('must be numbers with commas, as 12,15,16');
  return new Set(text.split(',').map(Number));
}
