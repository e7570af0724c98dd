/** @module The input of `trainStage`, and of the workflows that prepare weights, as anybody may have sent it. */
import { FAILURES, FAILURE_CLASSES } from '../contracts/failures.ts';
import { runIdProblem } from '../contracts/ids.ts';
import { ALL_STAGES, TIMED_PHASES } from '../contracts/plan.ts';
import type { TrainStageInput } from '../contracts/runs.ts';
import {
  amount,
  count,
  json,
  listOf,
  mapOf,
  name,
  object,
  oneOf,
  text,
  variants,
  words,
  yes,
  type Check,
} from '../contracts/shapes.ts';
import { WEIGHTS_FILE } from './weights-input.ts';
import { invalid } from './invalid.ts';

/** @throws InvalidConfig, which fails the workflow instead of its task. */
export function checkStageInput(input: TrainStageInput | undefined): TrainStageInput {
  const problem = INPUT(input, 'input');
  if (problem !== undefined || input === undefined) throw invalid(problem ?? 'input is missing');
  const badRun = runIdProblem(input.run);
  if (badRun !== undefined) throw invalid(badRun);
  return input;
}

const id = name;
const hostName = text(255);

const GANG = object({ hosts: count, gpusPerHost: count });
const NEEDS = object({}, { gpuMemoryMiB: count, labels: mapOf(name, 100) });

const CHECKOUT = object({ kind: name, path: name, sha256: name, sizeBytes: count });

const SOURCE = variants('kind', {
  checkout: CHECKOUT,
  stage: object({ kind: name, stage: oneOf(ALL_STAGES) }),
  artifact: object({ kind: name, artifact: WEIGHTS_FILE }),
  prepared: object({ kind: name, artifact: name }),
});

const LIMITS = object(
  { heartbeatTimeoutMs: count, hostTimeoutMs: count, stallTimeoutMs: count, attemptsWithoutProgress: count },
  {
    budgets: keysOf(FAILURE_CLASSES, count),
    phaseTimeoutsMs: keysOf(TIMED_PHASES, count),
    lossSpike: amount,
    coverage: amount,
  },
);

const PLAN = object(
  {
    stage: oneOf(ALL_STAGES),
    configFile: name,
    weights: SOURCE,
    overrides: json(20),
    settingsSha256: name,
    gang: GANG,
    pool: id,
    maxIterations: count,
    checkpointPeriod: count,
    limits: LIMITS,
  },
  {
    priority: count,
    team: name,
    needs: NEEDS,
    approval: yes,
    learningRateSteps: listOf(amount),
    saveEvery: variants('kind', {
      auto: object({ kind: name }),
      seconds: object({ kind: name, seconds: amount }),
    }),
    retention: object({ newest: count }, { every: count, at: listOf(count) }),
    datasets: listOf(json(5)),
    files: listOf(object({ artifact: name, path: name })),
  },
);

const CHANGES = object({}, { maxIterations: count, priority: count, learningRate: amount });
const FAILURE = object(
  { type: oneOf(Object.keys(FAILURES)), message: words },
  {
    ...{ host: hostName, line: words, at: amount, log: name, signature: words, iteration: count },
    ...{ iterationsRun: count, damaged: name, ofGang: yes },
  },
);
const PHASES = [
  ...['waiting for hosts', 'checking hosts', 'opening', 'training', 'backing off', 'paused'],
  ...['waiting for a decision', 'publishing', 'done'],
];

const STATE = object(
  {
    phase: oneOf(PHASES),
    attempt: count,
    token: count,
    hosts: listOf(hostName),
    committedIterations: count,
    attemptsWithoutProgress: count,
    avoid: listOf(hostName),
    iterationsRun: count,
    events: listOf(object({ at: amount, text: words }, { failure: name }), 1000),
  },
  {
    budgets: keysOf(FAILURE_CLASSES, object({ spent: count, limit: count }, { exceeded: yes })),
    bestIterations: count,
    paused: object({ by: words, why: words, at: amount }),
    question: FAILURE,
    goBack: variants('kind', { one: object({ kind: name }), to: object({ kind: name, iterations: count }) }),
    wentBack: yes,
    changes: CHANGES,
    lacking: listOf(object({ host: hostName, reason: words }, { trained: count })),
    crash: object({ signature: words, iteration: count, times: count }),
    lastFailure: words,
    trained: yes,
    trainedSeconds: amount,
    failures: count,
    damaged: listOf(name),
  },
);

const INPUT = object(
  {
    run: id,
    plan: PLAN,
    weights: variants('kind', {
      checkout: CHECKOUT,
      artifact: object({ kind: name, artifact: WEIGHTS_FILE }),
    }),
  },
  {
    files: listOf(object({ path: name, file: WEIGHTS_FILE })),
    until: count,
    changes: CHANGES,
    // The lease is read by StageLease.
    carried: object({ state: STATE, lease: json(8, 100_000) }),
  },
);

/** A map that has some of these keys. */
function keysOf(keys: readonly string[], check: Check): Check {
  return object({}, Object.fromEntries(keys.map((key) => [key, check])));
}
