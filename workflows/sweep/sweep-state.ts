/** @module What becomes of a sweep's state by what happens to its trials. Pure; the sweep alone says that a trial is finished. */
import {
  LONGEST_WHY_BYTES,
  MOST_ADDED_TRIALS,
  MOST_REPORTS,
  MOST_TRIALS,
} from '../../contracts/sweep-bounds.ts';
import { clipText } from '../../contracts/text-bytes.ts';
import type {
  MetricReport,
  StoppingRule,
  SweepEvent,
  SweepState,
  Trial,
  TrialName,
  TrialState,
  TrialStatus,
} from '../../contracts/sweep.ts';

const OVER: ReadonlySet<TrialStatus> = new Set(['stopped', 'failed', 'finished']);

export function isOver({ status }: TrialState): boolean {
  return OVER.has(status);
}

/** The rung that the trial's next segment goes to. */
export function nextRungOf({ status, rung }: TrialState): number {
  return status === 'paused' ? rung + 1 : rung;
}

/** Iterations at which trials rest and are compared. */
export function rungsOf(rule: StoppingRule): readonly number[] {
  return rule.kind === 'none' ? [] : rule.rungs;
}

/** Iterations that a trial trains to at `rung`; undefined for its own end. */
export function iterationsAt(rule: StoppingRule, rung: number): number | undefined {
  return rungsOf(rule)[rung];
}

export function newSweepState(trials: readonly TrialName[]): SweepState {
  return { trials: trials.map(waiting), added: [] };
}

/**
 * The state after `event`. One that comes twice, or too late, changes nothing: an activity's outcome may be told again
 * after a crash, and a trial that is over stays so.
 */
export function afterEvent(rule: StoppingRule, state: SweepState, event: SweepEvent): SweepState {
  if (event.kind === 'added') {
    if (addProblem(state, event.trial) !== undefined) return state;
    return { trials: [...state.trials, waiting(event.trial)], added: [...state.added, event.trial] };
  }
  const place = state.trials.findIndex(({ id }) => id === event.trial);
  const trial = state.trials[place];
  if (trial === undefined || isOver(trial)) return state;
  const next = afterOwn(
    rule,
    trial,
    'why' in event ? { ...event, why: clipText(event.why, LONGEST_WHY_BYTES) } : event,
  );
  return next === trial ? state : { ...state, trials: state.trials.with(place, next) };
}

/** Why a person's trial can't be added, or undefined. */
export function addProblem(
  state: SweepState,
  { id, inputs }: Pick<Trial, 'id' | 'inputs'>,
): string | undefined {
  const { trials, added } = state;
  if (trials.some((trial) => trial.id === id)) return `the sweep has a trial '${id}'`;
  const twin = added.find((trial) => trial.inputs === inputs);
  if (twin !== undefined) return `trial '${twin.id}' is the same`;
  if (trials.length >= MOST_TRIALS) return `the sweep has ${MOST_TRIALS} trials, the most it can`;
  if (added.length >= MOST_ADDED_TRIALS)
    return `${MOST_ADDED_TRIALS} trials were added to the sweep, the most that can be: plan another sweep`;
  return undefined;
}

/** Why a person can't stop or promote the trial, or undefined. */
export function orderProblem(state: SweepState, id: string): string | undefined {
  const trial = state.trials.find((one) => one.id === id);
  if (trial === undefined) return `the sweep has no trial '${id}'`;
  if (isOver(trial)) return `trial '${id}' is ${trial.status}`;
  return undefined;
}

function waiting({ id, group, configuration }: TrialName): TrialState {
  const name = { id, group, ...(configuration !== undefined && { configuration }) };
  return { ...name, status: 'waiting', rung: 0, reports: [], gpuHours: 0 };
}

function afterOwn(
  rule: StoppingRule,
  trial: TrialState,
  event: Exclude<SweepEvent, { kind: 'added' }>,
): TrialState {
  switch (event.kind) {
    case 'started':
      return trial.status === 'running' ? trial : started(trial);
    case 'segment ended':
      return trial.status === 'running' ? afterSegmentEnd(rule, trial, event) : trial;
    case 'failed':
      if (trial.status !== 'running') return trial;
      return { ...settled(trial), status: 'failed', why: event.why, gpuHours: hoursOf(event.gpuHours) };
    case 'given up':
      return trial.status === 'running' ? trial : { ...settled(trial), status: 'stopped', why: event.why };
    case 'asked to stop':
      return trial.status === 'running' ? { ...trial, stopping: true, why: event.why } : trial;
    case 'stopped by a person':
      // A running one is over when it says so: until then it has its hosts.
      if (trial.status !== 'running') return { ...settled(trial), status: 'stopped', why: event.why };
      return { ...trial, why: event.why };
    case 'promoted by a person':
      return { ...trial, promoted: true };
  }
}

function started({ promoted, ...trial }: TrialState): TrialState {
  return { ...trial, status: 'running', rung: nextRungOf(trial) };
}

function afterSegmentEnd(
  rule: StoppingRule,
  trial: TrialState,
  { report, gpuHours, final, reused }: Extract<SweepEvent, { kind: 'segment ended' }>,
): TrialState {
  const reported = report === undefined ? trial : withReport(rule, trial, report);
  const told = { ...reported, gpuHours: hoursOf(gpuHours), ...(reused && { reused }) };
  const until = iterationsAt(rule, trial.rung);
  const measured = told.reports.at(-1)?.iterations ?? 0;
  // One that came to its end before it could be stopped is as good as any other.
  if (final && report !== undefined && reported !== trial) return { ...settled(told), status: 'finished' };
  if (trial.why !== undefined) return { ...settled(told), status: 'stopped', why: trial.why };
  if (!final && until === measured) return { ...told, status: 'paused' };
  // Nothing could ever compare it, so it would rest for ever.
  const missing = until === undefined ? 'ended' : `ended its segment to ${until} iterations`;
  return { ...settled(told), status: 'failed', why: `${missing} without a value of the metric for it` };
}

/** Clocks that were set back give no negative hours, and a sum that is no number would never reach the budget. */
function hoursOf(gpuHours: number): number {
  return Number.isFinite(gpuHours) ? Math.max(0, gpuHours) : 0;
}

function settled({ promoted, stopping, why, ...trial }: TrialState): TrialState {
  return trial;
}

/** Reports ascend; one of the same iterations replaces the former. What is no number is none. */
function withReport(rule: StoppingRule, trial: TrialState, report: MetricReport): TrialState {
  if (!Number.isFinite(report.value)) return trial;
  const others = trial.reports.filter(({ iterations }) => iterations !== report.iterations);
  const all = [...others, report].sort((a, b) => a.iterations - b.iterations);
  const atRung = new Set(rungsOf(rule));
  const last = all.at(-1);
  while (all.length > MOST_REPORTS) {
    // Every second one goes, so that what is left still shows the whole curve.
    const kept = all.filter((one, index) => index % 2 === 0 || one === last || atRung.has(one.iterations));
    if (kept.length === all.length) break;
    all.splice(0, all.length, ...kept);
  }
  return { ...trial, reports: all };
}
