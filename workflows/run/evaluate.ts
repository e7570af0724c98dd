/**
 * The evaluation of one checkpoint on one host: for any checkpoint and any data sets. What was evaluated before from the
 * same inputs is not evaluated again.
 */
import {
  CancellationScope,
  condition,
  log,
  proxyActivities,
  setCurrentDetails,
  workflowInfo,
  ApplicationFailure,
} from '@temporalio/workflow';
import type { HostActivities, PlanActivities } from '../../contracts/activities.ts';
import type {
  EvaluateInput,
  EvaluationResult,
  EvaluationTask,
  PinnedCheckpoint,
} from '../../contracts/evaluation.ts';
import { markdownText } from '../../contracts/markdown.ts';
import type { NamedFailure } from '../../contracts/failures.ts';
import type { Lease } from '../../contracts/pool.ts';
import type { StageState } from '../../contracts/runs.ts';
import { answering, planning, training } from '../base/activity-profiles.ts';
import { AttemptScope } from '../base/attempt-scope.ts';
import { partOf } from '../stage/gang.ts';
import { checkGang, type UnfitGang } from '../stage/preflight.ts';
import { invalid } from '../base/errors.ts';
import { lackedIn, noneLeft, provenBlames, triesOthers } from '../stage/lacking-steps.ts';
import { backoffMs, blamesOf, decide, failureOf, nameFailure, type Decision } from '../stage/recovery.ts';
import { StageLease } from '../stage/stage-lease.ts';
import {
  afterFailure,
  afterLacking,
  avoidedBy,
  initialStageState,
  standingOf,
  withoutLacking,
} from '../stage/stage-state.ts';
import { onYield } from '../stage/on-yield.ts';

const plans = proxyActivities<PlanActivities>(planning);

interface Failed {
  readonly failure: NamedFailure;
  /** The hosts were looked at, and would not do. */
  readonly unfit?: UnfitGang;
}

export async function evaluate(given: EvaluateInput): Promise<EvaluationResult> {
  const input = checkInput(given);
  const summary = `find ${input.checkpoint}, and how it is to be evaluated`;
  const { task, done, pinned } = await plans.planEvaluation.executeWithOptions({ ...planning, summary }, [
    input,
  ]);
  if (done !== undefined) return done;

  const lease = new StageLease(task.plan, null);
  const scope = new AttemptScope();
  // It begins anew: there is nothing to be saved.
  onYield(lease, () => scope.ask('gives its hosts back', () => Promise.resolve()));
  let state: StageState = initialStageState;
  try {
    for (;;) {
      if (scope.take() !== null) await lease.giveBack();
      show('waiting for a host');
      const { attempt } = state;
      const wanted = { attempt, avoid: avoidedBy(state), priority: task.plan.priority ?? 0 };
      const held = await lease.wait(wanted, () => scope.isAsked);
      // The pool may want it back before it was used.
      if (held === undefined || scope.isAsked) continue;
      const hosts = held.hosts.map(({ name }) => name);
      state = { ...state, attempt: attempt + 1, token: Math.max(held.token, state.token + 1), hosts };
      show(`on ${hosts.join(', ')}`);
      const outcome = await scope.run(() => checkAndEvaluate(held));
      if (outcome === undefined) continue;
      if ('metrics' in outcome) {
        await lease.blame(provenBlames(state, workflowInfo().workflowId, { trainedSince: state.attempt }));
        return outcome;
      }
      await recover(outcome);
    }
  } finally {
    await lease.giveBack();
    if (pinned !== undefined) await unpin(pinned);
  }

  async function checkAndEvaluate(held: Lease): Promise<EvaluationResult | Failed> {
    const unfit = await check(held, task, state);
    if (unfit !== undefined) return { failure: unfit.failure, unfit };
    await lease.blame(provenBlames(state, workflowInfo().workflowId, 'checks'));
    state = withoutLacking(state, 'checks');
    return onHost(held, task, state);
  }

  async function recover(failed: Failed): Promise<void> {
    const { failure, unfit } = failed;
    const { limits } = task.plan;
    const lacked = lackedIn(failed, state.attempt);
    state = afterLacking(state, lacked);
    const elsewhere = await triesOthers(task.plan, state, failed);
    const ended = { iterationsRun: 0, at: Date.now(), limits, spendsBudget: !elsewhere };
    state = afterFailure(state, failure, ended);
    const standing = standingOf(state, failure, limits);
    await lease.blame(unfit?.blames ?? blamesOf(failure, workflowInfo().workflowId, standing));
    const decision: Decision = elsewhere
      ? { kind: 'elsewhere', afterMs: backoffMs(standing.attempts), avoid: [] }
      : decide(lacked.length > 0 ? noneLeft(failure, state) : failure, standing);
    if (decision.kind === 'stop' || decision.kind === 'ask') throw failureOf(decision.failure);
    if (decision.kind === 'elsewhere') {
      state = { ...state, avoid: unfit?.avoid ?? decision.avoid };
      await lease.giveBack();
    }
    const wait = `wait before attempt ${String(state.attempt + 1)}`;
    if (decision.afterMs > 0) await condition(() => scope.isAsked, decision.afterMs, { summary: wait });
  }

  function show(what: string): void {
    setCurrentDetails(
      `**${markdownText(task.checkpoint)}** on ${markdownText(task.datasets.join(', '))}: ${what}`,
    );
  }
}

/** Where S3 does not answer soon, who prunes finds that the evaluation is over. */
async function unpin(pinned: PinnedCheckpoint): Promise<void> {
  const { endEvaluation } = proxyActivities<PlanActivities>(answering);
  await CancellationScope.nonCancellable(() => endEvaluation(pinned)).catch((error: unknown) => {
    log.warn('a checkpoint stays pinned until it is pruned', { ...pinned, error: String(error) });
  });
}

async function check(held: Lease, { run, plan, weights }: EvaluationTask, { token }: StageState) {
  const placed = { weights: { kind: 'artifact', artifact: weights }, files: [] } as const;
  const health = await checkGang(held, { run, plan, token, placed });
  return health.kind === 'unfit' ? health : undefined;
}

async function onHost(
  held: Lease,
  task: EvaluationTask,
  { token, attempt }: StageState,
): Promise<EvaluationResult | Failed> {
  const [host] = held.hosts;
  if (host === undefined) throw ApplicationFailure.nonRetryable('the pool granted a lease without hosts');
  const summary = `evaluate ${task.checkpoint} on ${host.name}`;
  const { evaluateOnHost } = proxyActivities<HostActivities>({
    ...training(host.name, task.plan.limits),
    summary,
  });
  try {
    return await evaluateOnHost({ task, token, attempt, ...partOf(held, host) });
  } catch (error) {
    if (CancellationScope.current().consideredCancelled) throw error;
    return { failure: nameFailure(error, host.name) };
  }
}

const LONGEST_NAME = 300;
const MOST_DATASETS = 200;

function checkInput(input: unknown): EvaluateInput {
  const example = '{"checkpoint":"rabbits-1/finetune@final"}';
  if (typeof input !== 'object' || input === null || Array.isArray(input))
    throw invalid(`input must be an object like ${example}, not ${shown(input)}`);
  const facts: Record<string, unknown> = { ...input };
  const { checkpoint, config, datasets, ...unknown } = facts;
  const [key] = Object.keys(unknown);
  if (key !== undefined)
    throw invalid(
      `input has an unknown key '${key.slice(0, LONGEST_NAME)}': there are checkpoint, config and datasets`,
    );
  if (!isName(checkpoint)) throw invalid(`input.checkpoint must name one, as in ${example}`);
  if (config !== undefined && !isName(config))
    throw invalid("input.config must be a name like 'finetune/odinw-rabbits'");
  if (datasets !== undefined && !isNames(datasets))
    throw invalid(`input.datasets must be a list of at most ${String(MOST_DATASETS)} names`);
  return { checkpoint, ...(config !== undefined && { config }), ...(datasets !== undefined && { datasets }) };
}

function isNames(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.length > 0 && value.length <= MOST_DATASETS && value.every(isName);
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value.length <= LONGEST_NAME;
}

function shown(value: unknown): string {
  return value === undefined ? 'nothing' : JSON.stringify(value).slice(0, LONGEST_NAME);
}
