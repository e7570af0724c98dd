/**
 * @module Controls: a person's orders to a run, one command each.
 */
import { Command, InvalidArgumentError } from 'commander';
import { HIGHEST_PRIORITY, type ControlKind } from '../../contracts/controls.ts';
import { UserError } from '../shared/errors.ts';
import { JSON_OPTION } from '../shared/output.ts';
import type { OrderOptions } from './send.ts';

/** In the order of a run's life. */
export function controlCommands(): Command[] {
  return [
    order(
      'pause',
      'save, give the hosts back, and wait for `glee resume`',
      '--why "maintenance on Thursday"',
    ),
    order('resume', 'continue a paused run', '--why "the machines are back"'),
    order('yield', 'save, give the hosts back, and queue again', '--why "ada needs them now"'),
    order('retry', 'retry now instead of waiting for the rest of the backoff', '--why "fixed the switch"'),
    order('approve', 'start the stage that waits for approval', '--why "the curves look good"'),
    extend(),
    priority(),
    skip(),
    resolve(),
  ];
}

function order(kind: ControlKind, description: string, example: string): Command {
  return command(kind, description, example).action((run: string, options: OrderOptions) =>
    send(run, kind, {}, options),
  );
}

function extend(): Command {
  return command(
    'extend',
    'set the last iteration of the running stage; the learning rate follows SOLVER.STEPS as before',
    '--iterations 600000 --why "still improving"',
    { iterations: 600_000 },
  )
    .requiredOption('--iterations <n>', 'iterations of the whole stage', wholeNumber)
    .action((run: string, { iterations, ...options }: OrderOptions & { readonly iterations: number }) =>
      send(run, 'extend', { iterations }, options),
    );
}

function priority(): Command {
  return command('priority', 'set the priority in the pool', '--priority 10 --why "deadline"', {
    priority: 10,
  })
    .requiredOption('--priority <n>', `from 0 to ${HIGHEST_PRIORITY}; larger is served first`, wholeNumber)
    .action((run: string, { priority: value, ...options }: OrderOptions & { readonly priority: number }) =>
      send(run, 'priority', { priority: value }, options),
    );
}

function skip(): Command {
  return command(
    'skip',
    'end the stage now; the next one starts from its newest checkpoint, or from another',
    '--weights lite-0/stage1@400000 --why "good enough"',
    { weights: 'lite-0/stage1@400000' },
  )
    .option('--weights <checkpoint>', "run/stage@iterations or run/stage@final  [the stage's newest]")
    .action((run: string, { weights, ...options }: OrderOptions & { readonly weights?: string }) =>
      send(run, 'skip', weights === undefined ? {} : { weights }, options),
    );
}

interface ResolveOptions extends OrderOptions {
  readonly backTo?: number;
  readonly learningRate?: number;
  readonly stop?: boolean;
}

function resolve(): Command {
  return command(
    'resolve',
    'decide for a stage that diverged twice; give one of the three options',
    '--back-to 40000 --why "before the spike"',
    { action: 'back', iterations: 40_000 },
  )
    .option(
      '--back-to <iterations>',
      'continue from the newest checkpoint at or before this iteration',
      wholeNumber,
    )
    .option('--learning-rate <rate>', 'continue with another SOLVER.BASE_LR', positive)
    .option('--stop', 'end the stage')
    .action((run: string, { backTo, learningRate, stop, ...options }: ResolveOptions) => {
      const chosen = [
        ...(backTo === undefined ? [] : [{ action: 'back', iterations: backTo }]),
        ...(learningRate === undefined ? [] : [{ action: 'learningRate', learningRate }]),
        ...(stop === true ? [{ action: 'stop' }] : []),
      ];
      const [only] = chosen;
      if (only === undefined || chosen.length > 1)
        throw new UserError('give one of --back-to ITERATIONS, --learning-rate RATE and --stop');
      return send(run, 'resolve', only, options);
    });
}

/** @param facts What the stock `temporal` command has to send besides who and why, with the example's values. */
function command(kind: ControlKind, description: string, example: string, facts: object = {}): Command {
  const input = JSON.stringify({ by: 'ada', why: '...', ...facts });
  return new Command(kind)
    .description(description)
    .argument('<run>', 'id of the run')
    .requiredOption('--why <text>', "the reason, kept in the run's history")
    .option('--by <name>', 'your name  [you@this-host]')
    .option(...JSON_OPTION)
    .addHelpText(
      'after',
      `\nExample:\n  glee ${kind} lite-1 ${example}\n\nThe same without glee:\n  temporal workflow update execute -w lite-1 --name ${kind} --input '${input}'`,
    );
}

async function send(run: string, kind: ControlKind, facts: object, options: OrderOptions): Promise<void> {
  const { sendOrder } = await import('./send.ts');
  await sendOrder(run, kind, facts, options);
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new InvalidArgumentError('must be a whole number');
  return value;
}

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value < Infinity)) throw new InvalidArgumentError('must be above 0');
  return value;
}
