/** @module The input of `trainStage`, as anyone may have sent it. */
import { FAILURES, FAILURE_CLASSES } from '../../contracts/failures.ts';
import { runIdProblem } from '../../contracts/ids.ts';
import { ALL_STAGES, TIMED_PHASES } from '../../contracts/plan.ts';
import {
  amount,
  exactly,
  json,
  listOf,
  oneOf,
  recordOf,
  text,
  variants,
  type Reader,
} from '../../contracts/parsing.ts';
import type { TrainStageInput } from '../../contracts/runs.ts';
import { checkedInput, invalid } from '../base/errors.ts';
import { count, name, WEIGHTS_FILE } from '../base/weights-input.ts';

/** @throws InvalidConfig, which fails the workflow instead of its task. */
export function checkStageInput(input: TrainStageInput | undefined): TrainStageInput {
  const checked = checkedInput(INPUT, input);
  const badRun = runIdProblem(checked.run);
  if (badRun !== undefined) throw invalid(badRun);
  return checked;
}

const MOST_ITEMS = 10_000;
const LONGEST_TEXT = 16_384;

const words = text(LONGEST_TEXT);
const hostName = text(255);
const number = amount(Number.MAX_VALUE);
const yes = oneOf(true);

const GANG = exactly({ hosts: count, gpusPerHost: count });
const NEEDS = exactly({}, { gpuMemoryMiB: count, labels: recordOf(name, name, 100) });

const CHECKOUT = exactly({ kind: name, path: name, sha256: name, sizeBytes: count });

const SOURCE = variants('kind', {
  checkout: CHECKOUT,
  stage: exactly({ kind: name, stage: oneOf(...ALL_STAGES) }),
  artifact: exactly({ kind: name, artifact: WEIGHTS_FILE }),
  prepared: exactly({ kind: name, artifact: name }),
});

const LIMITS = exactly(
  { heartbeatTimeoutMs: count, hostTimeoutMs: count, stallTimeoutMs: count, attemptsWithoutProgress: count },
  {
    budgets: keysOf(FAILURE_CLASSES, count),
    phaseTimeoutsMs: keysOf(TIMED_PHASES, count),
    lossSpike: number,
    coverage: number,
  },
);

const PLAN = exactly(
  {
    stage: oneOf(...ALL_STAGES),
    configFile: name,
    weights: SOURCE,
    overrides: json(20, MOST_ITEMS, LONGEST_TEXT),
    settingsSha256: name,
    gang: GANG,
    pool: name,
    maxIterations: count,
    checkpointPeriod: count,
    limits: LIMITS,
  },
  {
    priority: count,
    team: name,
    needs: NEEDS,
    approval: yes,
    learningRateSteps: list(number),
    saveEvery: variants('kind', {
      auto: exactly({ kind: name }),
      seconds: exactly({ kind: name, seconds: number }),
    }),
    retention: exactly({ newest: count }, { every: count, at: list(count) }),
    datasets: list(json(5, MOST_ITEMS, LONGEST_TEXT)),
    files: list(exactly({ artifact: name, path: name })),
    evaluatedAfter: yes,
  },
);

const CHANGES = exactly({}, { maxIterations: count, priority: count, learningRate: number });
const FAILURE = exactly(
  { type: oneOf(...Object.keys(FAILURES)), message: words },
  {
    ...{ host: hostName, line: words, at: number, log: name, signature: words, iteration: count },
    ...{ iterationsRun: count, damaged: name, ofGang: yes },
  },
);
const PHASES = [
  ...['waiting for hosts', 'checking hosts', 'opening', 'training', 'backing off', 'paused'],
  ...['waiting for a decision', 'publishing', 'done'],
];

const STATE = exactly(
  {
    phase: oneOf(...PHASES),
    attempt: count,
    token: count,
    hosts: list(hostName),
    committedIterations: count,
    attemptsWithoutProgress: count,
    avoid: list(hostName),
    iterationsRun: count,
    events: listOf(exactly({ at: number, text: words }, { failure: name }), 1000),
  },
  {
    budgets: keysOf(FAILURE_CLASSES, exactly({ spent: count, limit: count }, { exceeded: yes })),
    bestIterations: count,
    paused: exactly({ by: words, why: words, at: number }),
    question: FAILURE,
    goBack: variants('kind', {
      one: exactly({ kind: name }),
      to: exactly({ kind: name, iterations: count }),
    }),
    wentBack: yes,
    changes: CHANGES,
    lacking: list(exactly({ host: hostName, reason: words }, { trained: count })),
    crash: exactly({ signature: words, iteration: count, times: count }),
    lastFailure: words,
    trained: yes,
    trainedSeconds: number,
    failures: count,
    damaged: list(name),
  },
);

const INPUT = exactly(
  {
    run: name,
    plan: PLAN,
    weights: variants('kind', {
      checkout: CHECKOUT,
      artifact: exactly({ kind: name, artifact: WEIGHTS_FILE }),
    }),
  },
  {
    files: list(exactly({ path: name, file: WEIGHTS_FILE })),
    until: count,
    changes: CHANGES,
    // The lease is read by StageLease.
    carried: exactly({ state: STATE, lease: json(8, 100_000, LONGEST_TEXT) }),
  },
);

/** A map that has some of these keys. */
function keysOf(keys: readonly string[], read: Reader<unknown>): Reader<unknown> {
  return exactly({}, Object.fromEntries(keys.map((key) => [key, read])));
}

function list(read: Reader<unknown>): Reader<readonly unknown[]> {
  return listOf(read, MOST_ITEMS);
}
