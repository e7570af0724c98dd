/** @module Hosts to be checked: a checkout with a config, data sets, a scratch folder, and tools that answer as told. */
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import type { TestContext } from 'node:test';
import { checkHost, type CheckedHost } from '../../../activities/preflight/check-host.ts';
import type { CheckHostInput, HostCheck, HostReport } from '../../../contracts/health.ts';
import type { ObjectStore } from '../../../activities/storage/ports/object-store.ts';
import { packageRoot } from '../../../planning/environment/package-root.ts';
import { temporaryFolder, writeInto } from '../../fixtures/glee-checkout.ts';
import { stagePlan } from '../../fixtures/stage-plan.ts';
import { makeScratch, PYTHON } from '../training/jobs.ts';

export const CONFIG = 'projects/GLEE/configs/images/Lite/stage1.yaml';
const COCO = 'coco/annotations/instances_train2017.json';

export interface TestHost extends CheckedHost {
  readonly input: CheckHostInput;
  /** Folder that comes first on the PATH. */
  readonly tools: string;
}

/** S3 is there, knows nothing of the stage, and has the right time. */
const emptyStore: Pick<ObjectStore, 'readText'> = { readText: () => Promise.resolve(undefined) };

/** A host in good health: one data set with one image. */
export async function makeCheckedHost(t: TestContext, pretend = false): Promise<TestHost> {
  const checkout = await temporaryFolder(t);
  const datasets = await temporaryFolder(t);
  await writeInto(checkout, 'launch.py', '');
  await writeInto(checkout, CONFIG, 'DATASETS:\n  TRAIN: ("coco_2017_train",)\n  TEST: ()\n');
  await writeInto(datasets, COCO, JSON.stringify({ images: [{ file_name: '1.jpg' }], annotations: [] }));
  await writeInto(datasets, 'coco/train2017/1.jpg', 'an image');
  const plan = { ...stagePlan('default'), gang: { hosts: 1, gpusPerHost: 2 }, configFile: CONFIG };
  return {
    settings: { host: 'gpu-1', scratch: await makeScratch(t), checkout, datasets, python: PYTHON, pretend },
    store: { ...refusing, ...emptyStore },
    serverDate: () => Promise.resolve(Math.floor(Date.now() / 1000) * 1000),
    input: { run: 'run', plan, token: 1 },
    tools: await putToolsFirst(t),
  };
}

const refuse = () => Promise.reject(new Error('a check writes nothing'));
const refusing: ObjectStore = {
  bucket: 'none',
  keyOf: (name) => name,
  readText: refuse,
  writeText: refuse,
  upload: refuse,
  download: refuse,
};

export function lookAt(host: TestHost, change: Partial<CheckHostInput> = {}): Promise<HostReport> {
  return checkHost(host, { ...host.input, ...change }, new AbortController().signal);
}

export function checkOf({ checks }: Pick<HostReport, 'checks'>, name: string): HostCheck {
  const check = checks.find((one) => one.name === name);
  if (check === undefined) throw new Error(`no check '${name}' among ${JSON.stringify(checks)}`);
  return check;
}

async function putToolsFirst(t: TestContext): Promise<string> {
  const folder = await temporaryFolder(t);
  const before = process.env.PATH ?? '';
  process.env.PATH = `${folder}${delimiter}${before}`;
  t.after(() => {
    process.env.PATH = before;
  });
  return folder;
}

/** A tool that prints what it is told, for each kind of call. */
export async function writeTool(host: TestHost, name: string, script: string): Promise<void> {
  const path = join(host.tools, name);
  await mkdir(host.tools, { recursive: true });
  await writeFile(path, `#!/bin/sh\n${script}\n`);
  await chmod(path, 0o755);
}

export interface FakeGpu {
  readonly used?: number;
  readonly ecc?: string;
  /** Pid of a process that computes on it. */
  readonly pid?: number;
}

/** An `nvidia-smi` with these GPUs, and a kernel's log. */
export async function giveGpus(host: TestHost, gpus: readonly FakeGpu[], log = ''): Promise<void> {
  const listed = gpus.map(({ used = 4, ecc = '0' }, index) => {
    return `${index}, GPU-${index}, 00000000:${index}B:00.0, ${used}, ${ecc}, NVIDIA H100 80GB HBM3`;
  });
  const processes = gpus.flatMap(({ pid }, index) =>
    pid === undefined ? [] : [`GPU-${index}, ${pid}, python`],
  );
  const print = (lines: readonly string[]) => lines.map((line) => `echo '${line}'`).join('; ') || ':';
  await writeTool(
    host,
    'nvidia-smi',
    `case "$1" in --query-gpu*) ${print(listed)};; --query-compute-apps*) ${print(processes)};; esac`,
  );
  await writeTool(host, 'dmesg', `cat <<'LOG'\n${log}\nLOG`);
}

/** A torch that sees GPUs of such speeds, in TFLOP/s. */
export function giveTorch(t: TestContext, ...tflops: readonly number[]): void {
  const before = {
    PYTHONPATH: process.env.PYTHONPATH,
    FAKE_TFLOPS: process.env.FAKE_TFLOPS,
    GLEE_PASS_ENV: process.env.GLEE_PASS_ENV,
  };
  process.env.PYTHONPATH = join(packageRoot, 'test/fixtures/health');
  process.env.FAKE_TFLOPS = tflops.join(',');
  process.env.GLEE_PASS_ENV = 'FAKE_TFLOPS';
  t.after(() => {
    for (const [name, value] of Object.entries(before)) {
      if (value === undefined) Reflect.deleteProperty(process.env, name);
      else process.env[name] = value;
    }
  });
}
