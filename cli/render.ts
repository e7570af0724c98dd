/**
 * @module A run's snapshot as lines of text.
 */
import pc from 'picocolors';
import type { RunEvent, StageStatus } from '../contracts/runs.ts';
import type { Progress } from '../contracts/training.ts';
import { duration } from './durations.ts';
import type { RunSnapshot } from './observe.ts';
import { artifactLine } from './weights/preparation.ts';

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
  const hosts = stage?.hosts.map(hostLine) ?? [];
  const events = (stage?.state?.events ?? []).slice(-EVENTS_SHOWN).map(eventLine);
  return [
    header,
    ...unanswered,
    ...weights.map((artifact) => `  ${artifactLine(artifact)}`),
    ...stages,
    ...(hosts.length > 0 ? ['', ...hosts] : []),
    ...(events.length > 0 ? ['', ...events] : []),
    ...(state?.warnings.map((warning) => pc.yellow(`  warning: ${warning}`)) ?? []),
    ...troubles.map((trouble) => pc.red(`  ${trouble}`)),
  ].join('\n');
}

function stageLine(one: StageStatus, { stage }: RunSnapshot): string {
  switch (one.status) {
    case 'waiting':
      return `  ${one.stage}  ${pc.dim('waiting')}`;
    case 'done': {
      const { artifact, attempts } = one.result;
      const how = one.reused
        ? 'done earlier'
        : attempts === 1
          ? 'done'
          : `done in ${String(attempts)} attempts`;
      return `  ${one.stage}  ${pc.green(how)}  s3://${artifact.bucket}/${artifact.key}  sha256 ${artifact.sha256.slice(0, 12)}`;
    }
    case 'running': {
      const state = stage?.name === one.stage ? stage.state : null;
      if (state === null) return `  ${one.stage}  ${pc.cyan('running')}`;
      const attempt = state.attempt === 0 ? '' : `  attempt ${String(state.attempt)}`;
      return `  ${one.stage}  ${pc.cyan(state.phase)}${attempt}  ${progressText(stage?.hosts[0])}`;
    }
  }
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
    iteration === undefined ? progress.phase : `iteration ${String(iteration)}/${String(maxIterations)}`,
    loss === undefined ? '' : `loss ${loss.toPrecision(4)}`,
    learningRate === undefined ? '' : `lr ${String(Number(learningRate.toPrecision(3)))}`,
    secondsPerIteration === undefined ? '' : `${String(Number(secondsPerIteration.toPrecision(3)))} s/iter`,
    etaSeconds === undefined ? '' : `ETA ${duration(etaSeconds)}`,
    committedIterations === undefined ? '' : `safe in S3: ${String(committedIterations)}`,
    saveSeconds === undefined ? '' : `saves every ${duration(saveSeconds)}`,
    bestSaveSeconds === undefined ? '' : `(every ${duration(bestSaveSeconds)} would lose least)`,
    coverage === undefined ? '' : `initial weights matched: ${percent(coverage.parameters)}`,
  ]
    .filter(Boolean)
    .join('  ');
}

function hostLine({ host, machineRank, phase, pid, memoryMiB, note }: Progress): string {
  const parts = [
    `  ${host}`,
    `machine ${String(machineRank)}`,
    phase,
    pid === undefined ? '' : `pid ${String(pid)}`,
    memoryMiB === undefined ? '' : `${String(memoryMiB)} MiB`,
    note === undefined ? '' : pc.yellow(note),
  ];
  return parts.filter(Boolean).join('  ');
}

export function eventLine({ at, text, failure }: RunEvent): string {
  const line = `  ${new Date(at).toLocaleTimeString('en-GB')}  ${text}`;
  return failure === undefined ? line : pc.yellow(line);
}

/** Rounded down, as the trainer does: nothing but a whole match is 100 %. */
function percent(share: number): string {
  return `${String(Math.floor(share * 1000 + 1e-6) / 10)} %`;
}

export function colorStatus(status: string): string {
  if (status === 'COMPLETED') return pc.green('completed');
  return status === 'RUNNING' ? pc.cyan('running') : pc.red(status.toLowerCase());
}
