/**
 * @module `npm run bench -- NAME`: one JSON line a case on stdout, then one that names the machine; all else on stderr.
 */
import { Command, InvalidArgumentError } from 'commander';
import { untilStopped } from '../sandbox/interrupt.ts';
import { machineLine } from './machine.ts';
import { caseLine, type Bench } from './measure.ts';
import { checkpoint } from './checkpoint.ts';
import { convert } from './convert.ts';
import { pool } from './pool.ts';
import { recovery } from './recovery.ts';
import { sweep } from './sweep.ts';

const BENCHES: ReadonlyMap<string, Bench> = new Map([
  ['checkpoint', checkpoint],
  ['convert', convert],
  ['pool', pool],
  ['recovery', recovery],
  ['sweep', sweep],
]);

const program = new Command('bench')
  .description('Measure the pipeline against its peers, both on this machine, in turns.')
  .argument('<name>', 'which bench', benchName)
  .option('--runs <n>', 'measurements of each, of which the median counts', positiveInteger, 3)
  .option('--case <case>', 'this case alone, with those that continue from its name')
  .option('--no-peer', 'ours alone, for a quick look at a change')
  .addHelpText('after', listOfBenches())
  .showHelpAfterError('(npm run bench -- --help lists the benches)')
  .parse();

await untilStopped(async (signal) => {
  const [name = ''] = program.args;
  const { runs, case: only, peer: withPeer } = program.opts<{ runs: number; case?: string; peer: boolean }>();
  const bench = BENCHES.get(name);
  if (bench === undefined) throw new Error(`no bench '${name}'`);
  if (only !== undefined && !Object.hasOwn(bench.cases, only)) {
    throw new Error(
      `bench '${name}' has no case '${only}'; its cases are ${Object.keys(bench.cases).join(', ')}`,
    );
  }
  const progress = (text: string) => console.error(`${new Date().toISOString().slice(11, 19)}  ${text}`);
  for (const measured of await bench.run({ runs, only, withPeer, signal, progress })) {
    if (only === undefined || measured.case === only || measured.case.startsWith(`${only}-`))
      console.log(caseLine(measured));
  }
  console.log(machineLine());
});

function benchName(text: string): string {
  if (BENCHES.has(text)) return text;
  throw new InvalidArgumentError(
    `There is no such bench. The benches are: ${[...BENCHES.keys()].join(', ')}.`,
  );
}

function positiveInteger(text: string): number {
  if (!/^[1-9]\d{0,2}$/.test(text))
    throw new InvalidArgumentError('It must be a whole number from 1 to 999.');
  return Number(text);
}

function listOfBenches(): string {
  const lines = [...BENCHES].flatMap(([name, { about, cases }]) => [
    `  ${name}: ${about}`,
    ...Object.entries(cases).map(([key, text]) => `    ${key.padEnd(30)} ${text}`),
  ]);
  return `\nBenches and their cases:\n${lines.join('\n')}\n\nExample:\n  npm run bench -- recovery --runs 5`;
}
