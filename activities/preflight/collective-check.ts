/** @module One host's part in the gang's meeting: the way to each of the others, and a sum that all GPUs add up together. */
import { join } from 'node:path';
import { z } from 'zod';
import { type HostSettings } from '../../planning/environment/env.ts';
import { gpuVariables } from '../../planning/environment/visible-gpus.ts';
import { urlHost } from '../../contracts/addresses.ts';
import { packageRoot } from '../../planning/environment/package-root.ts';
import type { HostCheck, CheckCollectiveInput, CollectiveReport } from '../../contracts/health.ts';
import { failed, passed, skipped, runCheck, type Finding } from './finding.ts';
import { callOn, type Call } from './collective-meeting.ts';
import { runBriefly } from './run-briefly.ts';
import { isFarBelow, keepSpeed, usualSpeed } from './disk-speed.ts';

/** Torch's import, NCCL's start, and the time to wait for ranks that do not come. */
const COLLECTIVE_LIMIT_MS = 120_000;
const PATIENCE_SECONDS = 40;

const sumSchema = z.object({ ranks: z.number(), gbPerSecond: z.number() });

export type MeetingHost = Pick<HostSettings, 'host' | 'scratch' | 'python' | 'pretend'>;

export async function checkCollective(
  settings: MeetingHost,
  input: CheckCollectiveInput,
  signal: AbortSignal,
): Promise<CollectiveReport> {
  const { host } = settings;
  const others = input.hosts.filter(({ name }) => name !== host);
  const calls = await Promise.all(others.map((other) => callOn(other)));
  signal.throwIfAborted();
  const unreachable = calls.flatMap(({ host, problem }) => (problem === undefined ? [] : [host]));
  const checks: HostCheck[] = [{ name: 'ports', ...portsFinding(calls) }];
  if (unreachable.length === 0) {
    const make = () => addUp(settings, input, signal);
    checks.push(await runCheck({ name: 'collective', limitMs: COLLECTIVE_LIMIT_MS + 5000, make }, signal));
  }
  return { host, checks, unreachable };
}

function portsFinding(calls: readonly Call[]): Finding {
  const problems = calls.flatMap(({ problem }) => problem ?? []);
  if (problems.length > 0) return failed(problems.join('; '));
  const apart = Math.max(0, ...calls.map(({ clockOffsetMs = 0 }) => Math.abs(clockOffsetMs)));
  return passed(`reaches ${calls.length} others, clocks ${(apart / 1000).toFixed(1)} s apart`);
}

async function addUp(
  settings: MeetingHost,
  input: CheckCollectiveInput,
  signal: AbortSignal,
): Promise<Finding> {
  const { scratch, python, pretend } = settings;
  if (pretend) return skipped('no GPUs that could add anything up: they are pretended');
  const { hosts, machineRank, gpusPerHost, gpuIndices } = input;
  const [first] = hosts;
  if (first === undefined) return failed('the gang has no hosts');
  const words = [
    machineRank,
    hosts.length,
    gpusPerHost,
    urlHost(first.address),
    first.ports.ranks,
    'nccl',
    PATIENCE_SECONDS,
  ].map(String);
  const printed = await runBriefly(python, [join(packageRoot, 'trainer/health.py'), 'collective', ...words], {
    limitMs: COLLECTIVE_LIMIT_MS,
    signal,
    env: gpuVariables(gpuIndices),
  });
  const { ranks, gbPerSecond } = sumSchema.parse(JSON.parse(printed.split('\n').at(-1) ?? ''));
  const kind = `all_reduce ${hosts.length} x ${gpusPerHost}`;
  const { usual, said } = await usualSpeed(scratch, kind);
  const figure = `${gbPerSecond} GB/s in an all_reduce of ${ranks} ranks, ${said}`;
  if (isFarBelow(gbPerSecond, usual)) return failed(figure);
  await keepSpeed(scratch, kind, gbPerSecond);
  return passed(figure);
}
