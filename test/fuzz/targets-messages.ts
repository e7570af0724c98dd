/** @module Inputs of workflows, and what signals, queries and updates bring. */
import { parseCheckpointRef } from '../../contracts/checkpoints.ts';
import { CONTROL_KINDS, parseControl } from '../../contracts/controls.ts';
import { runIdProblem } from '../../contracts/ids.ts';
import { parse, type Reader } from '../../contracts/parsing.ts';
import {
  readBlame,
  readCarriedLease,
  readJob,
  readJoin,
  readLease,
  readLeaseAccount,
  readLeaseAnswer,
  readOrder,
  readPriorityChange,
  readRelease,
  readRequest,
  readYield,
} from '../../contracts/pool-messages.ts';
import { parseAddedTrial, parseTrialLeg, parseTrialOrder } from '../../contracts/sweep-messages.ts';
import { parseCarriedSweep, unpackSweepState } from '../../contracts/sweep-packing.ts';
import { readCarriedPool } from '../../workflows/pool/carried-pool.ts';
import { checkSegment, checkRunInput } from '../../workflows/run/run-input.ts';
import { checkStageInput } from '../../workflows/stage/stage-input.ts';
import { checkArtifactInput, checkWeightsInput } from '../../workflows/base/weights-input.ts';
import { stagePlan } from '../fixtures/stage-plan.ts';
import { textTarget, valueTarget, type Target } from './target.ts';

const INVALID = ['ApplicationFailure'];
const artifact = {
  name: 'a',
  path: 'a.pth',
  recipe: { how: 'download', sources: ['https://h/a'], sha256: 'a' },
};
const order = { by: 'ada', why: 'maintenance' };
/** The types are those of callers that behave; here is what the others send. */
const loosely =
  (check: (input: never) => unknown) =>
  (input: unknown): unknown =>
    Reflect.apply(check, undefined, [input]);

const poolTarget = (name: string, read: Reader<unknown>, seed: unknown): Target =>
  valueTarget(`pool-${name}`, (value) => parse(read, value, name), { seeds: [seed] });
const host = { name: 'host-a', gpus: 8, address: 'host-a.lab', labels: { zone: 'b' } };
const request = {
  ...{ requestId: 'r-1', holder: 'run/stage1', holderSince: 1, hosts: 2, gpusPerHost: 8, avoid: ['host-b'] },
  ...{ priority: 5, team: 'vision', needs: { gpuMemoryMiB: 1 } },
};
const lease = { requestId: 'r-1', holder: 'run/stage1', holderSince: 1, hosts: [host], token: 3 };

const ADDED = {
  ...{ id: 't-1', group: 'g', parameters: { 'overrides.SOLVER.BASE_LR': 0.1 }, seed: 1, inputs: 'a' },
};
const PACKED = {
  ...{ groups: ['g'], whys: ['no use'], added: [ADDED] },
  trials: [['t-1', '', 0, 1, 1, 0.5, 2, 0, 10, 33.3]],
};
const RULES = {
  metric: { name: 'bbox/AP', goal: 'max' },
  rule: { kind: 'asha', rungs: [10, 20], reductionFactor: 2 },
  limits: { concurrency: 2, gpuHours: 8 },
};

export const MESSAGE_TARGETS: readonly Target[] = [
  poolTarget('join', readJoin, {
    ...host,
    jobs: [{ holder: 'h', requestId: 'r', token: 1, gpuIndices: [0, 1] }],
  }),
  poolTarget('request', readRequest, request),
  poolTarget('release', readRelease, { requestId: 'r-1' }),
  poolTarget('priority', readPriorityChange, { requestId: 'r-1', priority: 3 }),
  poolTarget('blame', readBlame, {
    host: 'host-a',
    holder: 'run/stage1',
    reason: 'Xid 79',
    weight: 'at once',
  }),
  poolTarget('order', readOrder, { host: 'host-a', ...order }),
  poolTarget('lease', readLease, lease),
  poolTarget('carried-lease', readCarriedLease, {
    ...{ held: lease, wanted: 'r-2', replaces: null, holderSince: 1 },
  }),
  poolTarget('yield', readYield, { requestId: 'r-1', why: 'urgent-1 wants it', withinMs: 60_000 }),
  poolTarget('job', readJob, { holder: 'h', requestId: 'r', token: 1, gpuIndices: [0, 1] }),
  poolTarget('lease-answer', readLeaseAnswer, { isReady: true, lease }),
  poolTarget('lease-account', readLeaseAccount, {
    ...{ pool: 'default', priority: 1, team: 'vision', held: lease, request },
  }),
  poolTarget('carried', readCarriedPool, { hosts: [], leases: [], queue: [], token: 1 }),
  valueTarget('control', (value) => CONTROL_KINDS.map((kind) => parseControl(kind, value)), {
    seeds: [order, { ...order, iterations: 10 }, { ...order, priority: 5 }],
  }),
  valueTarget('added-trial', parseAddedTrial, {
    seeds: [ADDED],
  }),
  valueTarget('trial-order', parseTrialOrder, { seeds: [{ trial: 't-1', ...order }] }),
  valueTarget('trial-segment', parseTrialLeg, { seeds: [{ trial: { sweep: 's', place: 1 }, until: 10 }] }),
  valueTarget('carried-sweep', parseCarriedSweep, {
    seeds: [{ rules: RULES, state: PACKED, begun: ['s-t-1'] }],
  }),
  valueTarget('packed-sweep', unpackSweepState, { seeds: [PACKED] }),
  valueTarget('run-input', (value) => checkRunInput('r', value, 'joint/lite'), {
    seeds: [{ config: 'joint/x' }],
    errors: INVALID,
  }),
  valueTarget('segment-input', checkSegment, {
    seeds: [{ trial: { sweep: 's', place: 1 }, until: 10 }, { trial: { sweep: 's', added: ADDED } }],
    errors: INVALID,
  }),
  valueTarget('stage-input', loosely(checkStageInput), {
    seeds: [
      {
        ...{ run: 'r', plan: stagePlan('default'), until: 4, changes: { maxIterations: 4 } },
        weights: { kind: 'checkout', path: 'w.pth', sha256: 'a', sizeBytes: 1 },
      },
    ],
    errors: INVALID,
  }),
  valueTarget('weights-input', loosely(checkWeightsInput), {
    seeds: [{ artifacts: [artifact] }],
    errors: INVALID,
  }),
  valueTarget('artifact-input', loosely(checkArtifactInput), {
    seeds: [{ artifact, ingredients: [] }],
    errors: INVALID,
  }),
  textTarget('ids', (text) => [runIdProblem(text), parseCheckpointRef(text)], {
    seeds: ['run-1', 'run-1/stage1@10', 'r/stage2/final'],
    hostile: ['a'.repeat(60_000), '/'.repeat(60_000)],
  }),
];
