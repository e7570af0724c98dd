/** @module One attempt of a stage on the hosts of its lease: check them, claim the stage, train. */
import { ApplicationFailure, workflowInfo } from '@temporalio/workflow';
import type { Lease, LeasedHost } from '../../contracts/pool.ts';
import { meanSecondsToFailure } from '../../contracts/save-period.ts';
import type { OpenAttemptResult } from '../../contracts/training.ts';
import { openAttempt } from './attempt-steps.ts';
import { STOPPED, trainGang, type GangOutcome } from './gang.ts';
import { provenBlames } from './lacking-steps.ts';
import { checkGang, type UnfitGang } from './preflight.ts';
import { changedPlan, hasCome } from './stage-controls.ts';
import { backText, coverageText } from './stage-events.ts';
import type { StageRun } from './stage-run.ts';
import { afterOpening, withoutLacking, withoutLastFailure, type PlanProof } from './stage-state.ts';

/** Throws only when the stage is cancelled. */
export async function runAttempt(stage: StageRun, lease: Lease): Promise<GangOutcome> {
  const token = Math.max(lease.token, stage.state.token + 1);
  const hosts = lease.hosts.map(({ name }) => name);
  stage.update({ phase: 'opening', attempt: stage.state.attempt + 1, token, hosts });
  const train = () => stage.scope.run(() => checkOpenAndTrain(stage, lease, token));
  const outcome = (await countSeconds(stage, train)) ?? STOPPED;
  if (outcome.kind === 'failed') return outcome;
  const coverage = outcome.kind === 'finished' ? outcome.coverage : undefined;
  const iterationsRun = stage.state.iterationsRun + outcome.iterationsRun;
  stage.update({ iterationsRun }, coverage && coverageText(coverage));
  return outcome;
}

/** By this proof the plan is not at fault: the hosts that lacked something are blamed for it. */
export async function blameProvenHosts(stage: StageRun, proof: PlanProof): Promise<void> {
  await stage.lease.blame(provenBlames(stage.state, workflowInfo().workflowId, proof));
  stage.replaceState(withoutLacking(stage.state, proof));
}

/** However the attempt ends: a sweep asks also of a cancelled stage how long it held its hosts. */
async function countSeconds<T>(stage: StageRun, work: () => Promise<T>): Promise<T> {
  const beganAt = Date.now();
  try {
    return await work();
  } finally {
    const seconds = (Date.now() - beganAt) / 1000;
    stage.update({ trainedSeconds: (stage.state.trainedSeconds ?? 0) + seconds });
  }
}

async function checkOpenAndTrain(stage: StageRun, lease: Lease, token: number): Promise<GangOutcome> {
  const { run, plan, until } = stage.input;
  const [first] = lease.hosts;
  if (first === undefined) throw ApplicationFailure.nonRetryable('the pool granted a lease without hosts');
  const unfit = await checkHosts(stage, lease, token);
  if (unfit !== undefined) return { kind: 'failed', failure: unfit.failure, iterationsRun: 0, unfit };
  stage.update({ phase: 'opening' });
  await stage.changeRecord.keep(stage.state.changes);
  const opened = await openAttempt(first, { run, plan, token, state: stage.state });
  if ('failure' in opened) return { kind: 'failed', failure: opened.failure, iterationsRun: 0 };
  await noteOpening(stage, opened);
  const { resumeFrom } = opened;
  if (resumeFrom !== null && hasCome(resumeFrom, stage.state, until))
    return { kind: 'finished', iterationsRun: 0 };
  const from = resumeFrom === null ? 'its initial weights' : `iteration ${resumeFrom.iterations}`;
  stage.replaceState(withoutLastFailure(stage.state));
  const { attempt, hosts } = stage.state;
  stage.update({ phase: 'training' }, `attempt ${attempt} on ${hosts.join(', ')} from ${from}`);
  return train(stage, lease, first, opened);
}

/** Undefined when the hosts are fit for the plan. */
async function checkHosts(stage: StageRun, lease: Lease, token: number): Promise<UnfitGang | undefined> {
  if (stage.isChecked(lease)) return undefined;
  const { run, plan, weights, files = [] } = stage.input;
  stage.update({ phase: 'checking hosts' });
  const health = await checkGang(lease, { run, plan, token, placed: { weights, files } });
  if (health.kind === 'unfit') return health;
  stage.markChecked(lease);
  stage.update({}, health.said);
  await blameProvenHosts(stage, 'checks');
  return undefined;
}

/** What the claim says of the attempts before. */
async function noteOpening(stage: StageRun, opened: OpenAttemptResult): Promise<void> {
  const committed = opened.resumeFrom?.iterations ?? 0;
  const back = backText(opened, stage.state.goBack !== undefined);
  // The attempt before this one advanced the stage.
  if (committed > stage.state.committedIterations)
    await blameProvenHosts(stage, { trainedSince: stage.state.attempt - 1 });
  stage.replaceState(afterOpening(stage.state, committed));
  if (back !== undefined) stage.update({}, back);
}

function train(
  { input, state }: StageRun,
  lease: Lease,
  { address }: LeasedHost,
  { resumeFrom, port }: OpenAttemptResult,
): Promise<GangOutcome> {
  const { run, plan, weights, files, until } = input;
  return trainGang(lease, {
    run,
    plan: changedPlan(state, plan),
    attempt: state.attempt,
    token: state.token,
    masterAddress: address,
    port,
    weights,
    ...(files !== undefined && { files }),
    resumeFrom,
    ...(until !== undefined && { until }),
    secondsToFailure: meanSecondsToFailure(state.trainedSeconds ?? 0, state.failures ?? 0),
  });
}
