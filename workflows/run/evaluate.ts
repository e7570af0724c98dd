/**
 * @module The evaluation of one checkpoint on one host: for any checkpoint and any data sets. What was evaluated before from the
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
import { checkEvaluateInput } from './evaluate-input.ts';
import { lackedIn, provenBlames, triesOthers } from '../stage/lacking-steps.ts';
import { failureOf, nameFailure } from '../stage/recovery.ts';
import { StageLease } from '../stage/stage-lease.ts';
import {
  afterLacking,
  avoidedBy,
  initialStageState,
  withoutLacking,
  type PlanProof,
} from '../stage/stage-state.ts';
import { weighFailure } from '../stage/weigh-failure.ts';
import { onYield } from '../stage/on-yield.ts';

const plans = proxyActivities<PlanActivities>(planning);

interface Failed {
  readonly failure: NamedFailure;
  /** The checks found its hosts unfit. */
  readonly unfit?: UnfitGang;
}

export async function evaluate(given: EvaluateInput): Promise<EvaluationResult> {
  const input = checkEvaluateInput(given);
  const summary = `find ${input.checkpoint}, and how it is to be evaluated`;
  const { task, done, pinned } = await plans.planEvaluation.executeWithOptions({ ...planning, summary }, [
    input,
  ]);
  if (done !== undefined) return done;
  const evaluation = new Evaluation(task);
  try {
    return await evaluation.run();
  } finally {
    await evaluation.lease.giveBack();
    if (pinned !== undefined) await unpin(pinned);
  }
}

class Evaluation {
  readonly lease: StageLease;
  readonly #task: EvaluationTask;
  readonly #scope = new AttemptScope();
  #state: StageState = initialStageState;

  constructor(task: EvaluationTask) {
    this.#task = task;
    this.lease = new StageLease(task.plan, null);
    // An evaluation that is ended starts from its beginning: there is nothing to save.
    onYield(this.lease, () => this.#scope.ask('gives its hosts back', () => Promise.resolve()));
  }

  /** Attempt after attempt, until one has the metrics or a person has to mend something. */
  async run(): Promise<EvaluationResult> {
    for (;;) {
      if (this.#scope.take() !== null) await this.lease.giveBack();
      const held = await this.#waitForLease();
      // The pool may want it back before it was used.
      if (held === undefined || this.#scope.isAsked) continue;
      const { attempt, token } = this.#state;
      const hosts = held.hosts.map(({ name }) => name);
      this.#state = { ...this.#state, attempt: attempt + 1, token: Math.max(held.token, token + 1), hosts };
      this.#show(`on ${hosts.join(', ')}`);
      const outcome = await this.#scope.run(() => this.#checkAndEvaluate(held));
      if (outcome === undefined) continue;
      if ('metrics' in outcome) {
        await this.#blameProven({ trainedSince: this.#state.attempt });
        return outcome;
      }
      await this.#recover(outcome);
    }
  }

  #waitForLease(): Promise<Lease | undefined> {
    this.#show('waiting for a host');
    const wanted = { avoid: avoidedBy(this.#state), priority: this.#task.plan.priority ?? 0 };
    return this.lease.wait(wanted, () => this.#scope.isAsked);
  }

  async #checkAndEvaluate(held: Lease): Promise<EvaluationResult | Failed> {
    const unfit = await check(held, this.#task, this.#state);
    if (unfit !== undefined) return { failure: unfit.failure, unfit };
    await this.#blameProven('checks');
    this.#state = withoutLacking(this.#state, 'checks');
    return onHost(held, this.#task, this.#state);
  }

  async #blameProven(proof: PlanProof): Promise<void> {
    await this.lease.blame(provenBlames(this.#state, workflowInfo().workflowId, proof));
  }

  async #recover(failed: Failed): Promise<void> {
    const { unfit } = failed;
    const { plan } = this.#task;
    const lacked = lackedIn(failed, this.#state.attempt);
    this.#state = afterLacking(this.#state, lacked);
    const elsewhere = await triesOthers(plan, this.#state, failed);
    const facts = { ...failed, elsewhere, lacks: lacked.length > 0 };
    const { state, decision, blames } = weighFailure(this.#state, plan.limits, facts);
    this.#state = state;
    await this.lease.blame(blames);
    if (decision.kind === 'stop' || decision.kind === 'ask') throw failureOf(decision.failure);
    if (decision.kind === 'elsewhere') {
      this.#state = { ...this.#state, avoid: unfit?.avoid ?? decision.avoid };
      await this.lease.giveBack();
    }
    const summary = `wait before attempt ${this.#state.attempt + 1}`;
    if (decision.afterMs > 0) await condition(() => this.#scope.isAsked, decision.afterMs, { summary });
  }

  #show(what: string): void {
    const { checkpoint, datasets } = this.#task;
    setCurrentDetails(`**${markdownText(checkpoint)}** on ${markdownText(datasets.join(', '))}: ${what}`);
  }
}

/** Where S3 does not answer soon, a prune finds that the evaluation is over. */
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
