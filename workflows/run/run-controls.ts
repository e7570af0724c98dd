/**
 * @module What a person may ask of a run: its orders for the stage are handed to it; approval and skipping are its own.
 */
import { CancellationScope, condition, proxyActivities, setHandler, upsertMemo } from '@temporalio/workflow';
import type { ControlActivities } from '../../contracts/activities.ts';
import {
  CONTROL_KINDS,
  isForRun,
  parseControl,
  type Control,
  type ControlKind,
  type ControlReason,
} from '../../contracts/controls.ts';
import { stageWorkflowId } from '../../contracts/ids.ts';
import type { StagePlan } from '../../contracts/plan.ts';
import type { StageResult, TrainStageInput } from '../../contracts/runs.ts';
import { bookkeeping } from '../base/activity-profiles.ts';
import { orEnded } from '../base/attempt-scope.ts';
import { controlUpdates } from '../base/messages.ts';
import { orRefused, refused } from '../base/refused.ts';
import type { RunStatus } from './run-status.ts';

const control = proxyActivities<ControlActivities>(bookkeeping);

type Skip = Extract<Control, { kind: 'skip' }>;

export class RunControls {
  readonly #run: string;
  readonly #status: RunStatus;
  /** The stage that waits for its approval or trains. */
  #current: TrainStageInput | null = null;
  #isApproved = false;
  #skip: Skip | null = null;
  #training: CancellationScope | null = null;

  /** Call it before the workflow's first await. */
  constructor(run: string, status: RunStatus) {
    this.#run = run;
    this.#status = status;
    for (const kind of CONTROL_KINDS) {
      setHandler(controlUpdates[kind], (order) => this.#obey(this.#parse(kind, order)), {
        validator: (order) => this.#validate(this.#parse(kind, order)),
      });
    }
  }

  /** One stage, from its approval to its result or to the weights that a person named in its place. */
  async during(
    input: TrainStageInput,
    train: (input: TrainStageInput) => Promise<StageResult>,
  ): Promise<StageResult> {
    this.#current = input;
    const { stage, approval } = input.plan;
    try {
      if (approval === true) await this.#approved(input.plan);
      const result = this.#isSkipped() ? undefined : await this.#unlessSkipped(() => train(input));
      if (result !== undefined) {
        this.#status.updateStage({ stage, status: 'done', result, reused: false });
        return result;
      }
      const skipped = await control.publishSkipped.executeWithOptions(
        { ...bookkeeping, summary: `take what stands in for the final weights of ${stage}` },
        [this.#skipInput(input, this.#skip)],
      );
      this.#status.updateStage({ stage, status: 'done', result: skipped, reused: false, skipped: true });
      return skipped;
    } finally {
      [this.#current, this.#isApproved, this.#skip] = [null, false, null];
    }
  }

  /**
   * Holds no hosts meanwhile. The memo is for people who list runs, and for the worker: a workflow task that asked for
   * nothing is replayed together with the one after it, in which `approve` would come first, and be refused.
   */
  async #approved({ stage }: StagePlan): Promise<void> {
    this.#status.update({ phase: 'waiting for approval' });
    upsertMemo({ waitsFor: `approval of ${stage}` });
    await condition(() => this.#isApproved || this.#isSkipped());
    upsertMemo({ waitsFor: null });
    this.#status.update({ phase: 'training' });
  }

  #isSkipped(): boolean {
    return this.#skip !== null;
  }

  async #unlessSkipped(train: () => Promise<StageResult>): Promise<StageResult | undefined> {
    this.#training = new CancellationScope();
    try {
      return await orEnded(this.#training, train);
    } finally {
      this.#training = null;
    }
  }

  #parse(kind: ControlKind, order: unknown): Control {
    const parsed = parseControl(kind, order);
    if (!parsed.ok) throw refused(parsed.problem);
    return parsed.control;
  }

  /** Of what the stage alone knows, the stage decides. */
  #validate(order: Control): void {
    const stage = this.#current?.plan.stage;
    if (stage === undefined) throw refused(`no stage of '${this.#run}' trains or waits: see glee status`);
    if (this.#skip !== null)
      throw refused(`${stage} is being skipped, by ${this.#skip.by}: ${this.#skip.why}`);
    const waits = this.#training === null;
    if (order.kind === 'approve' && !waits) throw refused(`${stage} waits for no approval: it trains`);
    if (!isForRun(order) && waits)
      throw refused(`${stage} has not begun: it waits for approval ('approve', or 'skip' it)`);
  }

  async #obey(order: Control): Promise<string> {
    const input = this.#current;
    if (input === null) throw refused('the stage has just ended');
    if (!isForRun(order)) return this.#forward(input, order);
    return order.kind === 'approve' ? this.#approve(input, order) : this.#skipTo(input, order);
  }

  #forward({ plan: { stage } }: TrainStageInput, order: Control): Promise<string> {
    const summary = `${order.kind}, by ${order.by}: ${order.why}`;
    return orRefused(
      control.forwardControl.executeWithOptions({ ...bookkeeping, summary }, [
        { stage: stageWorkflowId(this.#run, stage), control: order },
      ]),
    );
  }

  #approve({ plan: { stage } }: TrainStageInput, { by, why }: ControlReason): string {
    this.#isApproved = true;
    return `${stage} is approved, by ${by}: ${why}`;
  }

  /** Looked for first: a stage that has nothing in its place is not ended. */
  async #skipTo(input: TrainStageInput, order: Skip): Promise<string> {
    const summary = `skip ${input.plan.stage}, by ${order.by}: ${order.why}`;
    const found = await orRefused(
      control.findSkipped.executeWithOptions({ ...bookkeeping, summary }, [this.#skipInput(input, order)]),
    );
    if (this.#current !== input) throw refused(`${input.plan.stage} has ended meanwhile`);
    this.#skip = order;
    this.#training?.cancel();
    const newest = order.weights === undefined ? ' or a newer one' : '';
    return `${input.plan.stage} ends here; ${found.name}${newest} stands in for its final weights, by ${order.by}: ${order.why}`;
  }

  #skipInput(
    stage: TrainStageInput,
    skip: Skip | null,
  ): { readonly stage: TrainStageInput; readonly weights?: string } {
    return { stage, ...(skip?.weights !== undefined && { weights: skip.weights }) };
  }
}
