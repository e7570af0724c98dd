/** @module One file up and down, by our store and by its peers: what each takes in time, CPU time and memory. */
import { execFileSync } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { z } from 'zod';
import { packageRoot } from '../planning/environment/package-root.ts';
import type { TransferTool } from './transfer-tools.ts';

export const FILE_BYTES = 2 ** 31;

export interface Measured {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly mebibytes: number;
}

/** One transfer of everyone, in turns. */
export interface Round {
  readonly ours: Measured;
  /** s5cmd, then the other. */
  readonly peers: readonly Measured[];
  /** The same, and then until torch has loaded the tensors; of restores. */
  readonly loadedSeconds?: { readonly ours: number; readonly peers: readonly number[] };
}

const measured = z.object({ seconds: z.number(), cpuSeconds: z.number(), mebibytes: z.number() });

/** Runs a command and says what it took: the peak and the time of its children. */
const MEASURE = `import json, resource, subprocess, sys, time
began = time.monotonic()
subprocess.run(sys.argv[2:], check=True, stdout=subprocess.DEVNULL)
seconds = time.monotonic() - began
used = resource.getrusage(resource.RUSAGE_CHILDREN)
json.dump({"seconds": seconds, "cpuSeconds": used.ru_utime + used.ru_stime, "mebibytes": used.ru_maxrss / 1024}, open(sys.argv[1], "w"))`;

export interface TransferPlace {
  readonly folder: string;
  readonly path: string;
  readonly env: NodeJS.ProcessEnv;
  readonly signal: AbortSignal;
  /** A Python that has torch. */
  readonly torch: string;
}

/** What all restores fetch. */
export async function uploadOurs(place: TransferPlace): Promise<Measured> {
  return runOurs(place, 'upload');
}

export async function measureUploads(place: TransferPlace, tools: readonly TransferTool[]): Promise<Round> {
  settle();
  const ours = await uploadOurs(place);
  const peers: Measured[] = [];
  for (const tool of tools) {
    settle();
    peers.push(await runTool(place, tool.upload(place.path, `${tool.name}.pth`)));
  }
  return { ours, peers };
}

/** All fetch the object that ours has uploaded. */
export async function measureRestores(place: TransferPlace, tools: readonly TransferTool[]): Promise<Round> {
  settle();
  const ours = await runOurs(place, 'restore');
  const oursLoaded = ours.seconds + (await secondsToLoad(place, `${place.path}.ours`));
  await rm(`${place.path}.ours`);
  const peers: Measured[] = [];
  const peersLoaded: number[] = [];
  for (const tool of tools) {
    settle();
    const copy = join(place.folder, `${tool.name}.copy`);
    const peer = await runTool(place, tool.restore('ours.pth', copy));
    peersLoaded.push(peer.seconds + (await secondsToLoad(place, copy)));
    peers.push(peer);
    await rm(copy);
  }
  return { ours, peers, loadedSeconds: { ours: oursLoaded, peers: peersLoaded } };
}

/** As a trainer loads it: all of the file into memory, as torch does unless mmap is asked for. */
async function secondsToLoad({ torch, signal }: TransferPlace, path: string): Promise<number> {
  const { stdout } = await execa(torch, ['-c', LOAD, path], { cancelSignal: signal });
  return Number(stdout);
}

const LOAD = `import sys, time, torch
began = time.monotonic()
torch.load(sys.argv[1], map_location="cpu")
print(time.monotonic() - began)`;

/** What the one before left for the disk must not be paid by the next. */
function settle(): void {
  execFileSync('sync');
}

async function runOurs({ path, env, signal }: TransferPlace, direction: string): Promise<Measured> {
  const script = join(packageRoot, 'dist/bench/transfer-process.js');
  const args = [script, direction, path, 'ours.pth'];
  const { stdout } = await execa(process.execPath, args, { env, cancelSignal: signal });
  return measured.parse(JSON.parse(stdout.split('\n').at(-1) ?? ''));
}

async function runTool(
  { folder, env, signal }: TransferPlace,
  command: readonly string[],
): Promise<Measured> {
  const said = join(folder, 'measured.json');
  await execa('python3', ['-c', MEASURE, said, ...command], { env, cancelSignal: signal });
  return measured.parse(JSON.parse(await readFile(said, 'utf8')));
}
