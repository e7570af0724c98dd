/**
 * @module `checkpoint`: a checkpoint of 2 GiB to S3 and back, by the store that the workers use, by s5cmd, and by rclone
 * or aws, all with the same versitygw. Ours has taken SHA-256 and CRC32 on the way; the peers verify nothing.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { foreignServiceVariables, quietAwsVersionWarning } from '../planning/environment/env.ts';
import { pythonWithTorch } from '../sandbox/torch-python.ts';
import { obtainServer } from '../sandbox/obtain.ts';
import { startS3, type S3Server } from '../sandbox/servers.ts';
import { loadText } from './machine.ts';
import type { Bench, BenchOptions, Case } from './measure.ts';
import { measurePace, type PaceRound } from './pace.ts';
import { obtainTools } from './transfer-tools.ts';
import {
  FILE_BYTES,
  measureRestores,
  measureUploads,
  uploadOurs,
  type Measured,
  type Round,
  type TransferPlace,
} from './transfers.ts';

const CASES = {
  upload: 'seconds, against the faster of the peers in each round',
  'upload-cpu': 'CPU seconds a GiB, against s5cmd',
  'upload-cpu-other': 'the same against rclone, or aws where that is not installed',
  'upload-memory': 'mebibytes resident at most, against s5cmd',
  restore: 'seconds until the file is verified, against the faster peer, whose file is not',
  'restore-to-loaded': 'seconds until torch.load has its tensors, against the faster peer and the same',
  'restore-cpu': 'CPU seconds a GiB, against s5cmd',
  'restore-cpu-other': 'the same against rclone, or aws where that is not installed',
  'restore-memory': 'mebibytes resident at most, against s5cmd',
  pace: 'milliseconds of an iteration of two busy ranks during an upload at the pace of 2 GiB in 10 minutes, against none',
};

/** FILE_BYTES of fp32, and a little for the names. */
const MAKE = `import sys, torch
torch.save({"model": {f"blocks.{i}.weight": torch.randn(1024, 1024) for i in range(512)}}, sys.argv[1])`;

export const checkpoint: Bench = {
  about: 'a checkpoint of 2 GiB of random tensors to S3 and back',
  cases: CASES,
  run: measureCheckpoint,
};

async function measureCheckpoint(options: BenchOptions): Promise<readonly Case[]> {
  const { signal, progress, only } = options;
  quietAwsVersionWarning();
  const folder = await mkdtemp(join(tmpdir(), 'glee-bench-checkpoint-'));
  const executable = await obtainServer('versitygw', { onProgress: progress, signal });
  const server = await startS3({ directory: join(folder, 's3'), executable, bucket: 'glee', signal });
  try {
    const path = join(folder, 'model.pth');
    const torch = await pythonWithTorch();
    if (torch === undefined)
      throw new Error('no Python here has torch, which makes and loads the file (Debian: python3-torch)');
    progress('making 2 GiB of random tensors');
    await execa(torch, ['-c', MAKE, path], { cancelSignal: signal });
    const place = { folder, path, env: environmentOf(server), signal, torch };
    const transfers = only === 'pace' ? [] : await transferCases(options, place, server);
    const pace = only === undefined || only === 'pace' ? [await paceCase(options, place)] : [];
    return [...transfers, ...pace];
  } finally {
    await server.process.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

async function transferCases(
  { runs, only, withPeer, signal, progress }: BenchOptions,
  place: TransferPlace,
  server: S3Server,
): Promise<readonly Case[]> {
  const tools = withPeer ? await obtainTools(server, progress, signal) : [];
  const [uploads, restores]: [Round[], Round[]] = [[], []];
  const wants = (direction: string) => only?.startsWith(direction) ?? true;
  if (!wants('upload')) await uploadOurs(place);
  for (let run = 1; run <= runs; run += 1) {
    progress(`round ${run} of ${runs}; ${loadText()}`);
    if (wants('upload')) uploads.push(await measureUploads(place, tools));
    if (wants('restore')) restores.push(await measureRestores(place, tools));
  }
  const names = tools.map(({ name }) => name);
  return [...casesOf('upload', uploads, names), ...casesOf('restore', restores, names)];
}

function casesOf(direction: string, rounds: readonly Round[], names: readonly string[]): readonly Case[] {
  const ours = (figure: (measured: Measured) => number) => rounds.map((round) => figure(round.ours));
  const peer = (index: number, figure: (measured: Measured) => number) =>
    rounds.flatMap(({ peers }) => peers.slice(index, index + 1).map(figure));
  const [s5cmd = null, other = null] = names;
  const fastest = names.length === 0 ? null : `the faster of ${names.join(' and ')}`;
  const line = (suffix: string, unit: string, mine: number[], theirs: number[], peerName: string | null) => ({
    ...{ bench: 'checkpoint', case: `${direction}${suffix}`, unit },
    ...{ ours: mine, peer: theirs, peerName },
  });
  const mine = ours(({ seconds }) => seconds);
  const leastOf = (times: (round: Round) => readonly number[]) =>
    names.length === 0 ? [] : rounds.map((round) => Math.min(...times(round)));
  return [
    line(
      '',
      's',
      mine,
      leastOf(({ peers }) => peers.map(({ seconds }) => seconds)),
      fastest,
    ),
    ...(direction === 'restore'
      ? [
          line(
            '-to-loaded',
            's',
            rounds.flatMap(({ loadedSeconds }) => loadedSeconds?.ours ?? []),
            leastOf(({ loadedSeconds }) => loadedSeconds?.peers ?? []),
            fastest,
          ),
        ]
      : []),
    line('-cpu', 's/GiB', ours(cpuPerGiB), peer(0, cpuPerGiB), s5cmd),
    line('-cpu-other', 's/GiB', ours(cpuPerGiB), peer(1, cpuPerGiB), other),
    line('-memory', 'MiB', ours(memory), peer(0, memory), s5cmd),
  ];
}

const memory = ({ mebibytes }: Measured) => mebibytes;
const cpuPerGiB = ({ cpuSeconds }: Measured) => cpuSeconds / (FILE_BYTES / 2 ** 30);

async function paceCase({ runs, progress }: BenchOptions, place: TransferPlace): Promise<Case> {
  const rounds: PaceRound[] = [];
  for (let run = 1; run <= runs; run += 1) {
    progress(`pace, round ${run} of ${runs}; ${loadText()}`);
    rounds.push(await measurePace(place));
  }
  return {
    ...{ bench: 'checkpoint', case: 'pace', unit: 'ms', peerName: 'no upload' },
    ours: rounds.map(({ during }) => during),
    peer: rounds.map(({ without }) => without),
  };
}

/** What the `aws` command line, s5cmd and rclone read, and so does ours. */
function environmentOf({ endpoint, region, accessKeyId, secretAccessKey }: S3Server): NodeJS.ProcessEnv {
  return {
    ...foreignServiceVariables(),
    AWS_ENDPOINT_URL_S3: endpoint,
    AWS_REGION: region,
    AWS_DEFAULT_REGION: region,
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
  };
}
