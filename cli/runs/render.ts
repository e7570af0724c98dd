/**
 * @module A run's snapshot as lines of text.
 */
import pc from 'picocolors';
import { FAILURE_CLASSES } from '../../contracts/failures.ts';
import type { RunEvent, StageState, StageStatus } from '../../contracts/runs.ts';
import { findStraggler } from '../../contracts/straggler.ts';
import type { Progress } from '../../contracts/training.ts';
import { duration } from '../shared/durations.ts';
import type { RunSnapshot } from '../shared/observe-run.ts';
import { evaluationLines } from './render-evaluations.ts';
import { artifactLine } from '../shared/preparation.ts';

const EVENTS_SHOWN = 8;

export function renderRun(snapshot: RunSnapshot): string {
  const { run, status, state, weights, stage, startedAt, endedAt, troubles } = snapshot;
  const variant = state?.variant ? `GLEE-${state.variant}` : '';
  const took = duration(((endedAt ?? new Date()).getTime() - startedAt.getTime()) / 1000);
  const header = [pc.bold(run), state?.config ?? '', variant, colorStatus(status), took]
    .filter(Boolean)
    .join('  ');
  const unanswered =
    state === null ? ['  no control worker answers: start one with `glee-worker control`'] : [];
  const stages = state?.stages.map((one) => stageLine(one, snapshot)) ?? [];
  const hosts = hostLines(stage?.hosts ?? []);
  const events = (stage?.state?.events ?? []).slice(-EVENTS_SHOWN).map(eventLine);
  return [
    header,
    ...unanswered,
    ...weights.map((artifact) => `  ${artifactLine(artifact)}`),
    ...stages,
    ...evaluationLines(snapshot),
    ...(hosts.length > 0 ? ['', ...hosts] : []),
    ...(events.length > 0 ? ['', ...events] : []),
    ...(state?.warnings.map((warning) => pc.yellow(`  warning: ${warning}`)) ?? []),
    ...troubles.map((trouble) => pc.red(`  ${trouble}`)),
  ].join('\n');
}

function stageLine(one: StageStatus, { run, status, state: runState, stage }: RunSnapshot): string {
  switch (one.status) {
    case 'waiting': {
      const next = runState?.stages.find(({ status }) => status === 'waiting');
      if (runState?.phase !== 'waiting for approval' || next?.stage !== one.stage)
        return `  ${one.stage}  ${pc.dim('waiting')}`;
      return `  ${one.stage}  ${pc.yellow('waiting for approval')}  glee approve ${run} --why ...`;
    }
    case 'done': {
      const { artifact, lastFailure } = one.result;
      const line = `  ${one.stage}  ${pc.green(howDone(one))}  s3://${artifact.bucket}/${artifact.key}  sha256 ${artifact.sha256.slice(0, 12)}`;
      if (lastFailure === undefined) return line;
      return `${line}\n${pc.yellow(`    its final weights were committed before ${lastFailure}`)}`;
    }
    case 'running': {
      const state = stage?.name === one.stage ? stage.state : null;
      const ended = status === 'RUNNING' ? undefined : colorStatus(status);
      if (state === null) return `  ${one.stage}  ${ended ?? pc.cyan('running')}`;
      const attempt = state.attempt === 0 ? '' : `  attempt ${state.attempt}`;
      // A stage that ended with its run stays in the phase that it was in.
      const phase = ended ?? pc.cyan(state.phase);
      const line = `  ${one.stage}  ${phase}${attempt}  ${progressText(stage?.hosts[0])}`;
      return [line, ...standing(state)].join('\n');
    }
  }
}

function howDone({
  reused,
  skipped,
  result: { attempts },
}: Extract<StageStatus, { status: 'done' }>): string {
  if (skipped === true) return 'skipped';
  if (reused) return 'done earlier';
  return attempts === 1 ? 'done' : `done in ${attempts} attempts`;
}

/** What a person would have to know of a stage that does not simply train. */
function standing({ paused, question, budgets = {}, changes = {} }: StageState): string[] {
  const spent = FAILURE_CLASSES.flatMap((name) => {
    const budget = budgets[name];
    return budget === undefined ? [] : [`${name} ${budget.limit - budget.spent} of ${budget.limit}`];
  });
  const changed = [
    changes.maxIterations === undefined ? '' : `ends after ${changes.maxIterations} iterations`,
    changes.priority === undefined ? '' : `priority ${changes.priority}`,
    changes.learningRate === undefined ? '' : `SOLVER.BASE_LR ${changes.learningRate}`,
  ].filter(Boolean);
  return [
    ...(paused ? [pc.yellow(`    paused by ${paused.by}: ${paused.why}`)] : []),
    ...(question ? [pc.yellow(`    has to be decided: ${question.type}: ${question.message}`)] : []),
    ...(changed.length > 0 ? [`    changed: ${changed.join(', ')}`] : []),
    ...(spent.length > 0 ? [`    attempts left until it gives up: ${spent.join(', ')}`] : []),
  ];
}

/** `iteration 140/300  loss 0.431  lr 0.001  0.03 s/iter  ETA 5 s  safe in S3: 100  initial weights matched: 98 %` */
export function progressText(progress: Progress | undefined): string {
  if (progress === undefined) return '';
  const {
    iteration,
    maxIterations,
    loss,
    learningRate,
    secondsPerIteration,
    etaSeconds,
    committedIterations,
    coverage,
    saveSeconds,
    bestSaveSeconds,
  } = progress;
  return [
    iteration === undefined ? progress.phase : `iteration ${iteration}/${maxIterations}`,
    loss === undefined ? '' : `loss ${loss.toPrecision(4)}`,
    learningRate === undefined ? '' : `lr ${String(Number(learningRate.toPrecision(3)))}`,
    secondsPerIteration === undefined ? '' : `${String(Number(secondsPerIteration.toPrecision(3)))} s/iter`,
    etaSeconds === undefined ? '' : `ETA ${duration(etaSeconds)}`,
    committedIterations === undefined ? '' : `safe in S3: ${committedIterations}`,
    saveSeconds === undefined ? '' : `saves every ${duration(saveSeconds)}`,
    bestSaveSeconds === undefined ? '' : `(every ${duration(bestSaveSeconds)} would lose least)`,
    coverage === undefined ? '' : `initial weights matched: ${percent(coverage.parameters)}`,
  ]
    .filter(Boolean)
    .join('  ');
}

/** A line for each host of the gang; the one that holds it back is named. */
export function hostLines(hosts: readonly Progress[]): string[] {
  const straggler = findStraggler(hosts);
  return hosts.map((progress) => {
    const {
      host,
      machineRank,
      phase,
      uploading,
      pid,
      memoryMiB,
      ownSecondsPerIteration: own,
      note,
    } = progress;
    const parts = [
      `  ${host}`,
      `machine ${machineRank}`,
      uploading === true && phase !== 'uploading' ? `${phase}, uploading` : phase,
      pid === undefined ? '' : `pid ${pid}`,
      memoryMiB === undefined ? '' : `${memoryMiB} MiB`,
      own === undefined ? '' : `own ${seconds(own)} s/iter`,
      straggler?.host === host
        ? pc.yellow(
            `holds the gang back: the others take ${seconds(straggler.othersSeconds)} s by themselves`,
          )
        : '',
      note === undefined ? '' : pc.yellow(note),
    ];
    return parts.filter(Boolean).join('  ');
  });
}

function seconds(value: number): string {
  return String(Number(value.toPrecision(2)));
}

export function eventLine({ at, text, failure }: RunEvent): string {
  const line = `  ${new Date(at).toLocaleTimeString('en-GB')}  ${text}`;
  return failure === undefined ? line : pc.yellow(line);
}

/** Rounded down, as the trainer does: nothing but a whole match is 100 %. */
function percent(share: number): string {
  return `${Math.floor(share * 1000 + 1e-6) / 10} %`;
}

export function colorStatus(status: string): string {
  if (status === 'COMPLETED') return pc.green('completed');
  return status === 'RUNNING' ? pc.cyan('running') : pc.red(status.toLowerCase());
}
