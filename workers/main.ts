#!/usr/bin/env node
/**
 * @module `glee-worker control` and `glee-worker gpu`: the processes that do the work.
 */
import { Command } from 'commander';
import { EnvironmentError } from '../configs/environment-error.ts';
import { runControlWorker } from './control.ts';
import { runGpuWorker } from './gpu-host.ts';

const ENVIRONMENT = `
Temporal is reached as its own tools do (TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, temporal.toml), S3 by AWS's default
chain (AWS_ENDPOINT_URL_S3, AWS_REGION, AWS_PROFILE, ...), and over TLS as AWS_CA_BUNDLE says.

  GLEE_BUCKET    bucket for plans, checkpoints and results   [glee]
  GLEE_PREFIX    prefix of all keys, ends with '/'            ['']
  GLEE_CHECKOUT  root of a GLEE checkout
  GLEE_S3_SSE    encryption of what is written: AES256 or aws:kms   [the bucket's]
  GLEE_S3_SSE_KMS_KEY  key for aws:kms                        [AWS's own]
  GLEE_S3_PATH_STYLE   true: bucket in the path; false: in the host name   [by the endpoint]`;

const program = new Command('glee-worker')
  .description('Workers of the GLEE pipeline.')
  .addHelpText('after', ENVIRONMENT);

program
  .command('control')
  .description('run workflows, planning and bookkeeping; needs no GPU; run one or more')
  .addHelpText(
    'after',
    `${ENVIRONMENT}\n  GLEE_CONFIG_DIR  folder with your configs             [the package's]`,
  )
  .action(() => runUntilSignal(runControlWorker));

program
  .command('gpu')
  .description("train on this host's GPUs; run one on each host (Linux)")
  .addHelpText(
    'after',
    `${ENVIRONMENT}
  GLEE_HOST      name of this host                            [hostname]
  GLEE_ADDRESS   address at which the other hosts reach it    [hostname]
  GLEE_POOL      pool that it joins                           [default]
  GLEE_GPUS      GPUs to offer                                [nvidia-smi's count]
  GLEE_SCRATCH   folder on a fast local disk                  [<tmp>/glee]
  GLEE_CACHE_GIB size of the cache of weights in it, GiB      [100]
  GLEE_PYTHON    Python that runs GLEE                        [python3]
  GLEE_BACKGROUND_SAVE=1  the trainer saves from a copy in host memory, while it goes on
  DETECTRON2_DATASETS  folder of the data sets, handed to the trainer

SIGTERM ends the worker at once; its trainers go on, and the next worker with the same GLEE_HOST adopts them.`,
  )
  .action(() => runUntilSignal(runGpuWorker));

await program.parseAsync();

async function runUntilSignal(run: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => controller.abort());
  try {
    await run(controller.signal);
  } catch (error) {
    if (controller.signal.aborted) return;
    if (!(error instanceof EnvironmentError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 2;
  }
}
