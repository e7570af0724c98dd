/**
 * @module `npm run demo`: the main job for real. Trains GLEE-Lite's three stages on the sandbox twice, once undisturbed
 * and once with a trainer, a GPU worker and the Temporal server killed on the way, and compares the final weights.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import { Command, InvalidArgumentError } from 'commander';
import pc from 'picocolors';
import { renderRun } from '../cli/runs/render.ts';
import { startRun } from '../cli/runs/start.ts';
import type { RunSnapshot } from '../cli/shared/observe-run.ts';
import { Chaos, drawStrikes, type Strike } from './chaos.ts';
import { followRun } from './follow.ts';
import { untilStopped } from './interrupt.ts';
import { createProgress, type ProgressDisplay } from './progress.ts';
import { renderReport, type RunReport } from './report.ts';
import { startStack, type Stack } from './stack.ts';

const options = new Command('demo')
  .description('Train GLEE-Lite on the sandbox, kill what it runs on, and compare with an undisturbed run.')
  .option('--seed <n>', 'draws the moments of the kills', integer, Math.floor(Math.random() * 1_000_000))
  .option('--keep', 'keep servers, data and logs in place at the end, until Ctrl-C', false)
  .addHelpText('after', '\nExample:\n  npm run demo -- --seed 42')
  .parse()
  .opts<{ seed: number; keep: boolean }>();

await untilStopped(async (signal) => {
  const directory = await mkdtemp(join(tmpdir(), 'glee-demo-'));
  let asHoped = false;
  try {
    asHoped = await compare(directory, signal);
  } finally {
    if (asHoped || signal.aborted) await rm(directory, { recursive: true, force: true });
    else console.log(`logs and data are kept in ${directory}`);
  }
  if (!asHoped) process.exitCode = 1;
});

/** Whether both runs ended with the same bytes. */
async function compare(directory: string, signal: AbortSignal): Promise<boolean> {
  const progress = createProgress();
  const stack = await startStack({ directory, signal, onProgress: progress.show });
  try {
    progress.note(`Temporal's web UI: ${pc.cyan(stack.temporal.uiUrl)}   logs: ${join(directory, 'logs')}`);
    const { seed } = options;
    progress.note(`seed ${seed} draws the kills: npm run demo -- --seed ${seed} repeats them\n`);
    const undisturbed = await train(stack, 'undisturbed', [], progress, signal);
    const disturbed = await train(stack, 'disturbed', drawStrikes(seed), progress, signal);
    progress.end();
    const { text, equal } = renderReport(undisturbed, disturbed);
    console.log(text);
    if (options.keep) await stopped(signal, stack);
    return equal;
  } finally {
    progress.end();
    await stack.stop();
  }
}

async function train(
  stack: Stack,
  run: string,
  strikes: readonly Strike[],
  progress: ProgressDisplay,
  signal: AbortSignal,
): Promise<RunReport> {
  const chaos = new Chaos(stack, strikes, (text) => progress.note(pc.magenta(text)));
  const startedAt = performance.now();
  await startRun(stack.client, run, { config: 'joint/sandbox' });
  const end = await followRun(
    stack.client,
    run,
    (snapshot) => {
      chaos.look(snapshot);
      progress.show(process.stdout.isTTY ? renderRun(snapshot) : oneLine(snapshot));
    },
    signal,
  );
  const seconds = (performance.now() - startedAt) / 1000;
  progress.note(`${renderRun(end)}\n`);
  if (end.result === null) throw new Error(`run '${run}' did not finish: ${end.troubles.join('; ')}`);
  const plannedIterations = end.result.stages
    .map(({ artifact }) => artifact.iterations)
    .reduce((a, b) => a + b, 0);
  return {
    run,
    seconds,
    plannedIterations,
    result: end.result,
    recoveries: chaos.recoveries,
    missed: chaos.missed,
    bytesInS3: await bytesBelow(stack, `runs/${run}/`),
  };
}

/** For logs that are no terminal: where the run is, on one line. */
function oneLine(snapshot: RunSnapshot): string {
  const [header = '', ...lines] = renderRun(snapshot).split('\n');
  return (lines.find((line) => line.includes('attempt')) ?? header).trim();
}

async function bytesBelow({ s3 }: Stack, prefix: string): Promise<number> {
  const { endpoint, region, accessKeyId, secretAccessKey, bucket } = s3;
  const client = new S3Client({
    endpoint,
    region,
    credentials: { accessKeyId, secretAccessKey },
    forcePathStyle: true,
  });
  try {
    let bytes = 0;
    let token: string | undefined;
    do {
      const page = await client.send(
        new ListObjectsV2Command({
          Bucket: bucket,
          Prefix: prefix,
          ...(token !== undefined && { ContinuationToken: token }),
        }),
      );
      bytes += (page.Contents ?? []).reduce((sum, { Size = 0 }) => sum + Size, 0);
      token = page.NextContinuationToken;
    } while (token !== undefined);
    return bytes;
  } finally {
    client.destroy();
  }
}

async function stopped(signal: AbortSignal, stack: Stack): Promise<void> {
  console.log(`\nkept until Ctrl-C: ${stack.temporal.uiUrl}`);
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

function integer(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('must be a whole number below 1,000,000,000');
  return Number(text);
}
