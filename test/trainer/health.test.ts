/** @module Ranks of a gang that add something up together, with a real torch, on processors: what NCCL does on GPUs. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import getPort from 'get-port';
import { runBriefly } from '../../activities/preflight/run-briefly.ts';
import { packageRoot } from '../../planning/environment/package-root.ts';
import { pythonWithTorch } from '../../sandbox/torch-python.ts';

const python = await pythonWithTorch();
const script = join(packageRoot, 'trainer/health.py');

function host(rank: number, hosts: number, port: number, patience = 40): Promise<string> {
  const words = [rank, hosts, 2, '127.0.0.1', port, 'gloo', patience].map(String);
  const signal = new AbortController().signal;
  return runBriefly(python ?? '', [script, 'collective', ...words], { limitMs: 60_000, signal });
}

describe('the collective of trainer/health.py', { skip: python === undefined && 'no torch' }, () => {
  it('adds up over two hosts with two ranks each, and each host says how fast', async () => {
    const port = await getPort();
    const said = await Promise.all([host(0, 2, port), host(1, 2, port)]);
    for (const line of said) assert.match(line, /^\{"ranks": 4, "gbPerSecond": \d+\.\d+\}$/);
  });

  it('ends with what torch says where the first host cannot be reached', async () => {
    const port = await getPort();
    await assert.rejects(host(1, 2, port, 2), /timed out|connect/i);
  });
});
