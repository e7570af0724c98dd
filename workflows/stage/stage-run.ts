/** @module A stage while its workflow runs: its input, its state as queries show it, and what it holds. */
import { setCurrentDetails } from '@temporalio/workflow';
import { markdownText } from '../../contracts/markdown.ts';
import type { Lease } from '../../contracts/pool.ts';
import type { StageState, TrainStageInput } from '../../contracts/runs.ts';
import { AttemptScope, type Ending } from '../base/attempt-scope.ts';
import { untilSaved } from './attempt-steps.ts';
import { ChangeRecord } from './change-record.ts';
import { StageLease } from './stage-lease.ts';
import { initialStageState, withEvent } from './stage-state.ts';

export class StageRun {
  readonly input: TrainStageInput;
  readonly lease: StageLease;
  readonly changeRecord: ChangeRecord;
  /** Ends the attempt or the wait that runs, for the pool or a person. */
  readonly scope = new AttemptScope();
  #state: StageState;
  #checkedToken = 0;

  /** Create it before the workflow's first await: its lease must not miss a grant. */
  constructor(input: TrainStageInput) {
    const { run, plan, changes, carried } = input;
    this.input = input;
    this.#state = carried?.state ?? { ...initialStageState, ...(changes && { changes }) };
    this.lease = new StageLease(plan, carried?.lease ?? null);
    this.changeRecord = new ChangeRecord({ run, stage: plan.stage }, changes);
  }

  get state(): StageState {
    return this.#state;
  }

  get waitsForPerson(): boolean {
    return this.#state.paused !== undefined || this.#state.question !== undefined;
  }

  /** Changes the state, and adds an event for people to read. */
  update(change: Partial<StageState>, event?: string): void {
    const next = { ...this.#state, ...change };
    this.replaceState(event === undefined ? next : withEvent(next, { at: Date.now(), text: event }));
  }

  replaceState(next: StageState): void {
    this.#state = next;
    const { phase, attempt, committedIterations, events } = next;
    const { stage, maxIterations } = this.input.plan;
    const last = events.at(-1)?.text ?? 'nothing yet';
    setCurrentDetails(
      `**${stage}**: ${phase}, attempt ${attempt}, ${committedIterations} of ${maxIterations} iterations safe in S3\n\n${markdownText(last)}`,
    );
  }

  async releaseHosts(): Promise<void> {
    await this.lease.giveBack();
    this.update({ hosts: [] });
  }

  /** Ends an attempt once it has saved a checkpoint, or a wait at once. */
  interrupt(ending: Ending, withinMs: number): void {
    this.scope.ask(ending, async () => {
      const [first] = this.lease.held?.hosts ?? [];
      if (first === undefined || this.#state.phase !== 'training') return;
      const { run, plan } = this.input;
      const { attempt, token } = this.#state;
      await untilSaved(first, { run, stage: plan.stage, token, withinMs, plan, attempt });
    });
  }

  /** Hosts are checked once for each lease: what changes while it lasts shows as a failure of the trainer. */
  isChecked(lease: Lease): boolean {
    return this.#checkedToken === lease.token;
  }

  markChecked(lease: Lease): void {
    this.#checkedToken = lease.token;
  }

  /** Whether the hosts still reach each other is not known. */
  forgetChecks(): void {
    this.#checkedToken = 0;
  }
}
