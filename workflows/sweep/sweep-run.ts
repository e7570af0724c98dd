/** @module A sweep while its workflow runs: its state as queries show it, and the segments of its trials that run. */
import { CancelledFailure, setCurrentDetails, workflowInfo } from '@temporalio/workflow';
import { trialRunId } from '../../contracts/ids.ts';
import { markdownText } from '../../contracts/markdown.ts';
import type {
  SweepEvent,
  SweepRules,
  SweepState,
  SweepStep,
  TrialRef,
  TrialState,
} from '../../contracts/sweep.ts';
import { afterSegment } from './segment-ends.ts';
import { afterEvent, iterationsAt, newSweepState } from './sweep-state.ts';
import { TrialSegments, type SegmentEnd } from './trial-segments.ts';

export class SweepRun {
  readonly config: string;
  readonly segments = new TrialSegments();
  readonly #sweep = workflowInfo().workflowId;
  #state: SweepState;
  #rules: SweepRules | undefined;

  constructor(
    config: string,
    carried: { readonly rules: SweepRules; readonly state: SweepState } | undefined,
  ) {
    this.config = config;
    this.#state = carried?.state ?? newSweepState([]);
    this.#rules = carried?.rules;
  }

  get state(): SweepState {
    return this.#state;
  }

  /** Undefined until the sweep is planned. */
  get rules(): SweepRules | undefined {
    return this.#rules;
  }

  plan(rules: SweepRules, state: SweepState): void {
    this.#rules = rules;
    this.#state = state;
  }

  /** Ignored before the sweep is planned. */
  apply(event: SweepEvent): void {
    if (this.#rules === undefined) return;
    this.#state = afterEvent(this.#rules.rule, this.#state, event);
    const { trials } = this.#state;
    const count = (status: string) => String(trials.filter((one) => one.status === status).length);
    setCurrentDetails(
      `**${markdownText(this.config)}**: ${count('finished')} of ${trials.length} trials finished, ${count('running')} run, ${count('failed')} failed`,
    );
  }

  /** Continues with the trials that an earlier execution left running. @param begun Runs of segments that have begun. */
  resume(begun: readonly string[]): void {
    for (const [place, trial] of this.#state.trials.entries()) {
      if (trial.status !== 'running') continue;
      const run = trialRunId(this.#sweep, trial.id);
      const tell = (end: SegmentEnd) => this.#segmentEnded(trial, end);
      if (begun.includes(run)) this.segments.resume(run, trial.stopping === true, tell);
      // It still waited for an earlier segment to end.
      else if (trial.stopping) tell({ error: new CancelledFailure(run), gpuHours: 0 });
      else this.#start(place, trial);
    }
  }

  take(step: SweepStep): void {
    const { trial } = step;
    switch (step.kind) {
      case 'start':
        this.apply({ kind: 'started', trial });
        this.#start(step.place, this.#state.trials[step.place]);
        break;
      case 'stop':
        this.apply({ kind: 'asked to stop', trial, why: step.why });
        this.segments.stop(trialRunId(this.#sweep, trial));
        break;
      case 'give up':
        this.apply({ kind: 'given up', trial, why: step.why });
        break;
    }
  }

  #start(place: number, trial: TrialState | undefined): void {
    if (trial === undefined || this.#rules === undefined) return;
    const { id } = trial;
    const until = iterationsAt(this.#rules.rule, trial.rung);
    const input = {
      config: this.config,
      trial: this.#refOf(place),
      ...(until !== undefined && { until }),
    };
    const summary = until === undefined ? id : `${id}, up to iteration ${until}`;
    this.segments.start(trialRunId(this.#sweep, id), input, summary, (end) => this.#segmentEnded(trial, end));
  }

  #segmentEnded(trial: TrialState, end: SegmentEnd): void {
    if (this.#rules !== undefined) this.apply(afterSegment(this.#rules, trial, end));
  }

  #refOf(place: number): TrialRef {
    const { trials, added } = this.#state;
    const own = added[place - (trials.length - added.length)];
    return own === undefined ? { sweep: this.#sweep, place } : { sweep: this.#sweep, added: own };
  }
}
