/**
 * @module Looks at a host before a lease of it is used. What cannot be looked at fails, by name; what a look finds is in
 * the report, never an error: the workflow decides.
 */
import type { HostSettings } from '../../planning/environment/env.ts';
import type { CheckHostInput, HostCheck, HostReport } from '../../contracts/health.ts';
import type { Bucket } from '../storage/bucket.ts';
import { lookAtCheckout } from './checkout-version.ts';
import { lookAtClock } from './clock-offset.ts';
import { lookForData } from './data-sets.ts';
import { failed, passed, skipped, runCheck, attemptCheck, type Check } from './finding.ts';
import { compute, GEMM_LIMIT_MS, type Computed } from './gemm.ts';
import { lookAtGpus } from './gpu-check.ts';
import { openMeeting } from './collective-meeting.ts';
import { lookAtPython, PYTHON_LIMIT_MS } from './python-check.ts';
import { lookForRoom } from './disk-room.ts';

/** Disks and S3 answer in far less; a network disk that hangs never does. */
const LIMIT_MS = 30_000;
/** Both ends of some dozen files, on a network disk that has been asleep. */
const DATA_LIMIT_MS = 60_000;

export interface CheckedHost extends Pick<Bucket, 'store' | 'serverDate'> {
  readonly settings: Pick<HostSettings, 'host' | 'scratch' | 'checkout' | 'datasets' | 'python' | 'pretend'> &
    Partial<Pick<HostSettings, 'address'>>;
}

export async function checkHost(
  { settings, store, serverDate }: CheckedHost,
  input: CheckHostInput,
  signal: AbortSignal,
): Promise<HostReport> {
  const facts: { checkout?: string; clockOffsetMs?: number } = {};
  const independent: readonly Check[] = [
    { name: 'room', limitMs: LIMIT_MS, make: () => lookForRoom(store, settings, input) },
    { name: 'data', limitMs: DATA_LIMIT_MS, make: () => lookForData(settings, input.plan) },
    {
      name: 'checkout',
      limitMs: LIMIT_MS,
      make: async (until) => {
        const { finding, checkout } = await lookAtCheckout(settings.checkout, until);
        if (checkout !== undefined) facts.checkout = checkout;
        return finding;
      },
    },
    {
      name: 'clock',
      limitMs: LIMIT_MS,
      make: async (until) => {
        const { finding, clockOffsetMs } = await lookAtClock(() => serverDate(until));
        if (clockOffsetMs !== undefined) facts.clockOffsetMs = clockOffsetMs;
        return finding;
      },
    },
  ];
  const [{ checks, tflops }, ...others] = await Promise.all([
    settings.pretend ? pretended(settings, signal) : lookThroughGpus(settings, input, signal),
    ...independent.map((check) => runCheck(check, signal)),
  ]);
  const { host } = settings;
  const meeting = input.plan.gang.hosts > 1 ? await openMeeting(host, settings.address) : undefined;
  return {
    host,
    checks: [...checks, ...others],
    at: Date.now(),
    ...facts,
    ...(tflops !== undefined && { tflops }),
    ...(meeting && { meeting }),
  };
}

async function pretended(settings: CheckedHost['settings'], signal: AbortSignal): Promise<Computed> {
  const nothing = skipped('GPUs are pretended');
  const { torch } = await checkPython(settings, signal);
  const [gpus, gemm] = [
    { name: 'gpus', ...nothing },
    { name: 'gemm', ...nothing },
  ];
  return { checks: [gpus, torch ?? { name: 'torch', ...nothing }, gemm] };
}

interface PythonCheck {
  /** What it lacks to train; on a host without GPUs also that it has all. Absent: nothing is known against it. */
  readonly torch?: HostCheck;
  readonly warning?: string | undefined;
}

async function checkPython(
  { python, checkout, pretend }: CheckedHost['settings'],
  signal: AbortSignal,
): Promise<PythonCheck> {
  const make = (until: AbortSignal) => lookAtPython({ python, checkout }, until);
  const result = await attemptCheck({ name: 'torch', limitMs: PYTHON_LIMIT_MS + 5000, make }, signal);
  // On GPUs torch is about to be used, which tells more.
  if ('inconclusive' in result) return pretend ? { torch: result.inconclusive } : {};
  const { problem, warning, isGlee, python: version } = result.made;
  if (problem !== undefined) return { torch: { name: 'torch', ...failed(problem) } };
  if (!pretend || !isGlee) return { warning };
  const said = `Python ${version} has what GLEE imports${warning === undefined ? '' : `; warning: ${warning}`}`;
  return { torch: { name: 'torch', ...passed(said) } };
}

/** A GPU that is broken or busy is given no work. */
async function lookThroughGpus(
  settings: CheckedHost['settings'],
  input: CheckHostInput,
  signal: AbortSignal,
): Promise<Computed> {
  const seeing = await attemptCheck(
    {
      name: 'gpus',
      limitMs: LIMIT_MS,
      hostFault: true,
      make: (until) => lookAtGpus(settings.scratch, input, until),
    },
    signal,
  );
  if ('inconclusive' in seeing) return { checks: [seeing.inconclusive] };
  const { finding, gpus } = seeing.made;
  const seen: HostCheck = { name: 'gpus', ...finding };
  if (finding.outcome !== 'passed') return { checks: [seen] };
  const { torch, warning } = await checkPython(settings, signal);
  if (torch !== undefined) return { checks: [seen, torch] };
  const computing = await attemptCheck(
    {
      name: 'gemm',
      // Its own process has that much, and is named when it hangs.
      limitMs: GEMM_LIMIT_MS + 5000,
      hostFault: true,
      make: (until) => compute(settings, gpus, input.gpuIndices, until),
    },
    signal,
  );
  if ('inconclusive' in computing) return { checks: [seen, computing.inconclusive] };
  const checks = computing.made.checks.map((check) =>
    warning !== undefined && check.name === 'torch'
      ? { ...check, said: `${check.said}; warning: ${warning}` }
      : check,
  );
  return { ...computing.made, checks: [seen, ...checks] };
}
