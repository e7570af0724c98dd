/**
 * @module A person's orders in the midst of a storm, and the invariant that one which was accepted takes effect: a paused
 * run has no trainer, and trains again once it is resumed; one that gives its hosts back or tries again at once ends what
 * it does.
 */
import { WorkflowUpdateFailedError, type Client } from '@temporalio/client';
import { stageWorkflowId } from '../../contracts/ids.ts';
import type { StageState } from '../../contracts/runs.ts';
import { controlUpdates, runStateQuery, stageStateQuery } from '../../workflows/base/messages.ts';
import { inTime } from './in-time.ts';
import { Stopwatches, type Disturbances } from './disturbances.ts';
import type { Violation } from './story.ts';
import type { OrderKind } from './strikes.ts';
import type { TrainerProcess } from './trainers.ts';

/** From an accepted order to its effect, in seconds without a disturbance. */
const MOST_SECONDS = 40;

interface Accepted {
  readonly order: OrderKind;
  readonly run: string;
  readonly stage: string;
  /** Of the order: the stage's state has it as the one who paused it. */
  readonly by: string;
  /** The stage as it was before. */
  readonly before: Pick<StageState, 'token'>;
  readonly resumeAt: number;
  /** False: no answer came, and it may take effect or not. */
  readonly isCertain: boolean;
  hasTakenEffect: boolean;
  /** It was asked to continue, whether or not the answer came. */
  isResumed: boolean;
}

export class Orders {
  readonly #client: Client;
  readonly #disturbances: Disturbances;
  readonly #waiting = new Stopwatches();
  readonly #training = new Stopwatches();
  /** By who gave them, until they have had their effect; a pause until it is resumed. */
  readonly #accepted = new Map<string, Accepted>();
  #count = 0;

  constructor(client: Client, disturbances: Disturbances) {
    this.#client = client;
    this.#disturbances = disturbances;
  }

  /** What came of it, for people. */
  async give(run: string, order: OrderKind, seconds: number): Promise<string> {
    const by = `storm-${(this.#count += 1)}`;
    const handle = this.#client.workflow.getHandle(run);
    const told = `'${order}' of ${run} by ${by}`;
    const found = await this.#find(run).catch(() => undefined);
    if (found === undefined) return `${told} finds no stage that runs and answers`;
    const resumeAt = performance.now() + seconds * 1000;
    const one = { order, run, by, ...found, resumeAt, hasTakenEffect: false, isResumed: false };
    try {
      const facts = order === 'priority' ? { priority: this.#count % 5 } : {};
      const args: [unknown] = [{ by, why: 'the storm', ...facts }];
      const answer = await inTime(handle.executeUpdate(controlUpdates[order], { args }));
      this.#accepted.set(by, { ...one, isCertain: true });
      return `${told}: ${answer}`;
    } catch (error) {
      if (error instanceof WorkflowUpdateFailedError) return `${told} is refused: ${error.cause}`;
      this.#accepted.set(by, { ...one, isCertain: false });
      return `${told} gets no answer: ${String(error)}`;
    }
  }

  /** The run has failed, as of a full disk: what was said to it counts no more. */
  forget(run: string): void {
    for (const one of this.#accepted.values()) if (one.run === run) this.#accepted.delete(one.by);
  }

  /** Resumes what was paused for long enough; all of it when `calm`. */
  async check(trainers: readonly TrainerProcess[], calm: boolean): Promise<readonly Violation[]> {
    const quiet = ['S3', 'Temporal', 'control worker'].every((part) => this.#disturbances.isQuiet(part));
    const waiting = new Map<string, { excused: boolean }>();
    const training = new Map<string, { excused: boolean }>();
    const ended: string[] = [];
    for (const one of this.#accepted.values()) {
      if ((await this.#look(one, calm)) === 'trained on') ended.push(one.by);
      if (!this.#accepted.has(one.by) || !one.isCertain) continue;
      const { order, run, stage, by } = one;
      if (!one.hasTakenEffect) waiting.set(`'${order}' of ${run} by ${by}`, { excused: !quiet });
      else
        for (const { pid, host, job, isShim, isFrozen } of trainers)
          if (job.startsWith(`${run}/${stage}/`) && !isShim && !isFrozen)
            training.set(`${run} is paused by ${by}, and process ${pid} of ${job} trains`, {
              excused: !quiet || !this.#disturbances.isQuiet(host),
            });
    }
    return [
      ...ended.map((by) => `the stage that ${by} paused trained on`),
      ...this.#waiting.over(waiting, MOST_SECONDS).map((key) => `${key} was accepted, and has no effect`),
      ...this.#training.over(training, MOST_SECONDS),
    ].map((text) => ({ rule: 'accepted orders take effect', text }));
  }

  async #look(one: Accepted, calm: boolean): Promise<'trained on' | undefined> {
    const { order, run, by } = one;
    try {
      const handle = this.#stage(one);
      const { status } = await inTime(handle.describe());
      if (status.name !== 'RUNNING') {
        this.#accepted.delete(by);
        const isAgainstOrder = order === 'pause' && one.isCertain && !one.isResumed;
        return isAgainstOrder && status.name === 'COMPLETED' ? 'trained on' : undefined;
      }
      const state = await inTime(handle.query(stageStateQuery));
      if (order === 'pause' && hasBegunPaused(state, by)) {
        this.#accepted.delete(by);
        return 'trained on';
      }
      one.hasTakenEffect ||= hasTakenEffect(one, state);
      if (!one.hasTakenEffect) return undefined;
      // Else it was resumed by a call whose answer was lost.
      if (order === 'pause' && state.paused?.by === by) {
        if (!calm && performance.now() < one.resumeAt) return undefined;
        one.isResumed = true;
        const args: [unknown] = [{ by, why: 'the storm has passed' }];
        await inTime(this.#client.workflow.getHandle(run).executeUpdate(controlUpdates.resume, { args }));
      }
      this.#accepted.delete(by);
    } catch {
      // Temporal or its worker is away: looked at again.
    }
    return undefined;
  }

  /** The stage that runs, as it is. */
  async #find(run: string): Promise<Pick<Accepted, 'stage' | 'before'> | undefined> {
    const { stages } = await inTime(this.#client.workflow.getHandle(run).query(runStateQuery));
    const stage = stages.find(({ status }) => status === 'running')?.stage;
    if (stage === undefined) return undefined;
    return { stage, before: await inTime(this.#stage({ run, stage }).query(stageStateQuery)) };
  }

  #stage({ run, stage }: Pick<Accepted, 'run' | 'stage'>) {
    return this.#client.workflow.getHandle(stageWorkflowId(run, stage));
  }
}

/** A stage that trained to its end shows the pause afterwards: whether an attempt began under it is in its events. */
export function hasBegunPaused(
  { paused, events }: Pick<StageState, 'paused' | 'events'>,
  by: string,
): boolean {
  if (paused?.by !== by) return false;
  return events.some(({ at, text }) => at > paused.at && /^attempt \d+ on /.test(text));
}

/** A newer attempt, or none, is the effect of an order that ends the attempt or the wait that it found. */
export function hasTakenEffect(
  { order, by, before }: Pick<Accepted, 'order' | 'by' | 'before'>,
  { phase, paused, token }: Pick<StageState, 'phase' | 'paused' | 'token'>,
): boolean {
  switch (order) {
    case 'pause':
      return phase === 'paused' && paused?.by === by;
    case 'yield':
      return (
        token > before.token || !['checking hosts', 'opening', 'training', 'backing off'].includes(phase)
      );
    case 'retry':
      return token > before.token || phase !== 'backing off';
    case 'priority':
      return true;
  }
}
