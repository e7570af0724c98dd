#!/usr/bin/env node
/**
 * @module `glee-worker control` and `glee-worker gpu`: their commands and signals.
 */
import { Command } from 'commander';
import { EnvironmentError } from '../planning/environment/environment-error.ts';
import { packageVersion } from '../planning/environment/package-root.ts';
import { runControlWorker } from './control.ts';
import { runGpuWorker, type Leaving } from './gpu-host.ts';

const ENVIRONMENT = `
Temporal is configured as for the temporal command (TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, temporal.toml), S3 by AWS's
default chain (AWS_ENDPOINT_URL_S3, AWS_REGION, AWS_PROFILE, AWS_CA_BUNDLE, ...).

  GLEE_BUCKET    bucket for plans, checkpoints and results   [glee]
  GLEE_PREFIX    prefix of all keys; ends with '/'            ['']
  GLEE_CHECKOUT  root of a GLEE checkout
  GLEE_S3_SSE    encryption of new objects: AES256 or aws:kms   [the bucket's]
  GLEE_S3_SSE_KMS_KEY  key for aws:kms                        [AWS's own]
  GLEE_S3_PATH_STYLE   true: bucket in the path; false: in the host name   [by the endpoint]
  GLEE_S3_STALL_SECONDS  repeat an S3 request that is silent for this long   [60]`;

const program = new Command('glee-worker')
  .description('Workers of the GLEE pipeline.')
  .version(packageVersion(), '--version')
  .addHelpText('after', ENVIRONMENT);

program
  .command('control')
  .description('run workflows, planning and bookkeeping; needs no GPU; run one or more')
  .addHelpText(
    'after',
    `${ENVIRONMENT}
  GLEE_CONFIG_DIR  folder with your configs             [the package's]
  GLEE_FILE_ROOTS  more folders for file:// sources of weights, separated by ':'  [checkout and configs only]
  GLEE_ALLOW_PRIVATE_SOURCES  hosts with private addresses that weights may be downloaded from, as nas.lab,10.0.0.7`,
  )
  .action(() => runUntilSignal(({ stop }) => runControlWorker(stop.signal), []));

program
  .command('gpu')
  .description("train on this host's GPUs; run one on each host (Linux)")
  .option('--handover', 'for upgrades: SIGTERM stops the worker at once; the next one adopts its trainers')
  .addHelpText(
    'after',
    `${ENVIRONMENT}
  GLEE_HOST      name of this host                            [hostname]
  GLEE_ADDRESS   address at which the other hosts reach it    [hostname]
  GLEE_POOL      pool to join                                 [default]
  GLEE_GPUS      number of GPUs to offer                      [all that nvidia-smi lists]
  GLEE_PRETEND_GPUS=1  offer GLEE_GPUS on a machine without GPUs; GPU checks are skipped
  GLEE_LABELS    labels that runs can ask for, as zone=b,gpu=h100    ['']
  GLEE_DRAIN_MINUTES  longest wait of a drain                 [10]
  GLEE_SCRATCH   folder on a fast local disk, of one user on one machine
                 [~/.local/state/glee-pipeline/<GLEE_HOST>]
  GLEE_CACHE_GIB size of the cache of weights in it, GiB      [100]
  GLEE_PYTHON    Python that runs GLEE                        [python3]
  GLEE_PASS_ENV  more variables for trainers, as WANDB_API_KEY,WANDB_MODE
                 [only what Python, CUDA and NCCL need]
  GLEE_BACKGROUND_SAVE=1  save from a copy in host memory while the trainer continues
  DETECTRON2_DATASETS  folder of the data sets

SIGTERM or SIGUSR1 drains the host, for maintenance or when a spot machine is reclaimed: it gets no new work, its gangs
save and yield, and the worker exits when the host is free, at the latest after GLEE_DRAIN_MINUTES. A second signal, or
SIGINT, stops the worker at once; its trainers continue, and the next worker with the same GLEE_HOST adopts them. With
--handover SIGTERM does the same.`,
  )
  .action(({ handover = false }: { readonly handover?: boolean }) =>
    runUntilSignal(runGpuWorker, handover ? ['SIGUSR1'] : ['SIGTERM', 'SIGUSR1']),
  );

await program.parseAsync();

/** @param drainOn Signals that ask to leave when it does no harm; another one after, or any other, ends it at once. */
async function runUntilSignal(
  run: (leaving: Leaving) => Promise<void>,
  drainOn: readonly NodeJS.Signals[],
): Promise<void> {
  const stop = new AbortController();
  const drain = new AbortController();
  for (const name of new Set<NodeJS.Signals>(['SIGINT', 'SIGTERM', ...drainOn]))
    process.on(name, () => {
      if (drainOn.includes(name) && !drain.signal.aborted) drain.abort(name);
      else stop.abort();
    });
  try {
    await run({ drain: drain.signal, stop });
  } catch (error) {
    if (!(error instanceof EnvironmentError)) {
      if (stop.signal.aborted) return;
      throw error;
    }
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 2;
  }
}
