/**
 * One stage of a run, from initial weights to final weights. It promises to begin each attempt from the newest
 * checkpoint that S3 proves, to give up only on failures that a person has to mend, and never to hold hosts that it
 * does not use.
 */
import {
  allHandlersFinished,
  ApplicationFailure,
  CancellationScope,
  condition,
  continueAsNew,
  getExternalWorkflowHandle,
  log,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  sleep,
  workflowInfo,
} from '@temporalio/workflow';
import type { HostActivities, StageActivities } from '../contracts/activities.ts';
import type { NamedFailure } from '../contracts/failures.ts';
import { poolWorkflowId } from '../contracts/ids.ts';
import type { Host, Lease } from '../contracts/pool.ts';
import type { StageResult, StageState, TrainStageInput } from '../contracts/runs.ts';
import { meanSecondsToFailure } from '../contracts/save-period.ts';
import type { Coverage, OpenAttemptResult } from '../contracts/training.ts';
import { bookkeeping, opening } from './activity-profiles.ts';
import { trainGang, type GangOutcome } from './gang.ts';
import { leaseGrantedSignal, releaseSignal, stageStateQuery } from './messages.ts';
import { decide, nameFailure } from './recovery.ts';
import { afterFailure, afterOpening, initialStageState, withEvent } from './stage-state.ts';

const control = proxyActivities<StageActivities>(bookkeeping);

/** How long a stage waits for hosts before it asks for them a second time. */
const FIRST_PATIENCE_MS = 30_000;

export async function trainStage(input: TrainStageInput): Promise<StageResult> {
  const { run, plan, weights, files } = input;
  let state: StageState = input.carried?.state ?? initialStageState;
  let lease: Lease | null = input.carried?.lease ?? null;
  let wanted: string | null = null;

  setHandler(stageStateQuery, () => state);
  setHandler(leaseGrantedSignal, (granted) => {
    if (granted.requestId === wanted) lease = granted;
    else if (granted.requestId !== lease?.requestId) void giveBack(granted);
  });

  try {
    for (;;) {
      lease ??= await waitForLease();
      const outcome = await attempt(lease);
      if (outcome.kind === 'finished') break;
      const decision = decide(outcome.failure, state.attemptsWithoutProgress, plan.limits);
      if (decision.kind === 'stop') throw stageFailure(decision.failure);
      if (decision.kind === 'elsewhere') {
        show({ avoid: decision.avoid });
        await returnLease();
      }
      await backOff(decision.afterMs);
      if (workflowInfo().continueAsNewSuggested && allHandlersFinished()) {
        const carried = { state, lease };
        // The successor has the same workflow id, and keeps the lease.
        lease = null;
        await continueAsNew<typeof trainStage>({ ...input, carried });
      }
    }
    show({ phase: 'publishing' });
    await returnLease();
    const result = await publish();
    show({ phase: 'done' }, `${plan.stage} done: ${result.artifact.key}, sha256 ${result.artifact.sha256}`);
    return result;
  } finally {
    await returnLease();
  }

  async function waitForLease(): Promise<Lease> {
    wanted = `${workflowInfo().workflowId}#${workflowInfo().runId}#${String(state.attempt)}`;
    show({ phase: 'waiting for hosts', hosts: [] });
    const { hosts, gpusPerHost } = plan.gang;
    const request = {
      requestId: wanted,
      holder: workflowInfo().workflowId,
      holderSince: workflowInfo().startTime.getTime(),
      hosts,
      gpusPerHost,
      avoid: state.avoid,
    };
    const summary = `ask pool '${plan.pool}' for ${String(hosts)} hosts with ${String(gpusPerHost)} GPUs`;
    // Asked again, since a pool that was started anew has forgotten who waits; ever more rarely, for a short history.
    for (let patienceMs = FIRST_PATIENCE_MS; lease === null; patienceMs *= 2) {
      await control.requestLease.executeWithOptions({ ...bookkeeping, summary }, [
        { pool: plan.pool, request },
      ]);
      await condition(() => lease !== null, patienceMs, { summary: 'then ask the pool again' });
    }
    wanted = null;
    return lease;
  }

  async function attempt(held: Lease): Promise<GangOutcome> {
    const token = Math.max(held.token, state.token + 1);
    show({ phase: 'opening', attempt: state.attempt + 1, token, hosts: held.hosts.map(({ name }) => name) });
    const beganAt = Date.now();
    const outcome = await openAndTrain(held, token);
    show({ trainedSeconds: (state.trainedSeconds ?? 0) + (Date.now() - beganAt) / 1000 });
    if (outcome.kind === 'finished') {
      const { iterationsRun, coverage } = outcome;
      show({ iterationsRun: state.iterationsRun + iterationsRun }, coverage && coverageText(coverage));
    } else set(afterFailure(state, outcome.failure, outcome.iterationsRun, Date.now()));
    return outcome;
  }

  async function openAndTrain(held: Lease, token: number): Promise<GangOutcome> {
    const [first] = held.hosts;
    if (first === undefined) throw ApplicationFailure.nonRetryable('the pool granted a lease without hosts');
    const opened = await open(first, token);
    if ('failure' in opened) return { kind: 'failed', failure: opened.failure, iterationsRun: 0 };
    const { resumeFrom, port, insteadOf } = opened;
    set(afterOpening(state, resumeFrom?.iterations ?? 0));
    if (insteadOf !== undefined)
      show(
        {},
        `the checkpoint of iteration ${String(insteadOf.iterations)} is damaged or gone: ${insteadOf.file.key}`,
      );
    if (resumeFrom?.final === true) return { kind: 'finished', iterationsRun: 0 };
    const from = resumeFrom === null ? 'its initial weights' : `iteration ${String(resumeFrom.iterations)}`;
    show({ phase: 'training' }, `attempt ${String(state.attempt)} on ${state.hosts.join(', ')} from ${from}`);
    return trainGang(held, {
      run,
      plan,
      attempt: state.attempt,
      token,
      masterAddress: first.address,
      port,
      weights,
      ...(files !== undefined && { files }),
      resumeFrom,
      secondsToFailure: meanSecondsToFailure(state.trainedSeconds ?? 0, state.failures ?? 0),
    });
  }

  async function open(
    host: Host,
    token: number,
  ): Promise<OpenAttemptResult | { readonly failure: NamedFailure }> {
    const summary = `claim ${plan.stage} for attempt ${String(state.attempt)} and pick a port on ${host.name}`;
    try {
      return await proxyActivities<HostActivities>({
        ...opening(host.name, plan.limits),
        summary,
      }).openAttempt({
        run,
        stage: plan.stage,
        token,
        ...(state.damaged !== undefined && { damaged: state.damaged }),
      });
    } catch (error) {
      if (CancellationScope.current().consideredCancelled) throw error;
      return { failure: nameFailure(error, host.name) };
    }
  }

  async function backOff(afterMs: number): Promise<void> {
    if (afterMs === 0) return;
    show({ phase: 'backing off' });
    await sleep(afterMs, { summary: `wait before attempt ${String(state.attempt + 1)}` });
  }

  function publish(): Promise<StageResult> {
    const summary = `publish the final weights of ${plan.stage}`;
    const { attempt: attempts, iterationsRun } = state;
    return control.publishStage.executeWithOptions({ ...bookkeeping, summary }, [
      { stage: { run, plan, weights }, attempts, iterationsRun },
    ]);
  }

  async function returnLease(): Promise<void> {
    const held = lease;
    lease = null;
    if (held !== null) await giveBack(held);
    else if (wanted !== null) await giveBack({ requestId: wanted });
  }

  /** Also when the stage is cancelled: a lease that is granted meanwhile must not stay behind. */
  async function giveBack({ requestId }: { readonly requestId: string }): Promise<void> {
    const pool = getExternalWorkflowHandle(poolWorkflowId(plan.pool));
    try {
      await CancellationScope.nonCancellable(() => pool.signal(releaseSignal, { requestId }));
    } catch (error) {
      // A pool that is gone has no leases either; one that missed the signal finds the holder ended.
      log.warn('pool did not take the release', { requestId, error: String(error) });
    }
  }

  function show(change: Partial<StageState>, event?: string): void {
    const next = { ...state, ...change };
    set(event === undefined ? next : withEvent(next, { at: Date.now(), text: event }));
  }

  function set(next: StageState): void {
    state = next;
    const last = state.events.at(-1)?.text ?? 'nothing yet';
    setCurrentDetails(
      `**${plan.stage}**: ${state.phase}, attempt ${String(state.attempt)}, ${String(state.committedIterations)} of ${String(plan.maxIterations)} iterations safe in S3\n\n${last}`,
    );
  }
}

function coverageText({ keys, parameters }: Coverage): string {
  const [ofParameters, ofKeys] = [parameters, keys].map(
    (share) => `${String(Math.floor(share * 1000 + 1e-6) / 10)} %`,
  );
  return `initial weights matched ${String(ofParameters)} of the model's parameters, ${String(ofKeys)} of its keys`;
}

function stageFailure(failure: NamedFailure): ApplicationFailure {
  const { type, message, ...details } = failure;
  return ApplicationFailure.create({ type, message, nonRetryable: true, details: [details] });
}
