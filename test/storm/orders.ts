/**
 * @module A person's orders in the midst of a storm, and the invariant that one which was accepted takes effect: a paused
 * run has no trainer, and trains again once it is resumed.
 */
import type { Client } from '@temporalio/client';
import { stageWorkflowId } from '../../contracts/ids.ts';
import { controlUpdates, runStateQuery, stageStateQuery } from '../../workflows/messages.ts';
import { inTime } from './in-time.ts';
import { Stopwatches, type Disturbances } from './disturbances.ts';
import type { Violation } from './story.ts';
import type { OrderKind } from './strikes.ts';
import type { TrainerProcess } from './trainers.ts';

/** From an accepted order to its effect, in seconds without a disturbance. */
const MOST_SECONDS = 40;

interface Pause {
  readonly run: string;
  readonly stage: string;
  /** Of the order: the stage's state has it as the one who paused it. */
  readonly by: string;
  hasTakenEffect: boolean;
  resumeAt: number;
}

export class Orders {
  readonly #client: Client;
  readonly #disturbances: Disturbances;
  readonly #waiting = new Stopwatches();
  readonly #training = new Stopwatches();
  readonly #pauses = new Map<string, Pause>();
  #count = 0;

  constructor(client: Client, disturbances: Disturbances) {
    this.#client = client;
    this.#disturbances = disturbances;
  }

  /** What came of it, for people. */
  async give(run: string, order: OrderKind, seconds: number): Promise<string> {
    const by = `storm-${String((this.#count += 1))}`;
    const handle = this.#client.workflow.getHandle(run);
    try {
      const { stages } = await inTime(handle.query(runStateQuery));
      const stage = stages.find(({ status }) => status === 'running')?.stage;
      if (stage === undefined) return `no stage of ${run} runs: no order '${order}'`;
      const facts = order === 'priority' ? { priority: this.#count % 5 } : {};
      const args: [unknown] = [{ by, why: 'the storm', ...facts }];
      const answer = await inTime(handle.executeUpdate(controlUpdates[order], { args }));
      if (order === 'pause') this.#accepted({ run, stage, by }, seconds);
      return `'${order}' of ${run} by ${by}: ${answer}`;
    } catch (error) {
      return `'${order}' of ${run} by ${by} was not accepted: ${String(error instanceof Error ? (error.cause ?? error) : error)}`;
    }
  }

  /** Resumes what was paused for long enough; all of it when `calm`. */
  async check(trainers: readonly TrainerProcess[], calm: boolean): Promise<readonly Violation[]> {
    const quiet = ['S3', 'Temporal', 'control worker'].every((part) => this.#disturbances.isQuiet(part));
    const waiting = new Map<string, { excused: boolean }>();
    const training = new Map<string, { excused: boolean }>();
    for (const pause of this.#pauses.values()) {
      await this.#look(pause, calm);
      if (!this.#pauses.has(pause.run)) continue;
      if (!pause.hasTakenEffect) waiting.set(`'pause' of ${pause.run} by ${pause.by}`, { excused: !quiet });
      else
        for (const { pid, host, job, isShim, isFrozen } of trainers)
          if (job.startsWith(`${pause.run}/${pause.stage}/`) && !isShim && !isFrozen)
            training.set(
              `${pause.run} is paused by ${pause.by}, and process ${String(pid)} of ${job} trains`,
              {
                excused: !quiet || !this.#disturbances.isQuiet(host),
              },
            );
    }
    return [
      ...this.#waiting.over(waiting, MOST_SECONDS).map((key) => `${key} was accepted, and has no effect`),
      ...this.#training.over(training, MOST_SECONDS),
    ].map((text) => ({ rule: 'accepted orders take effect', text }));
  }

  get open(): number {
    return this.#pauses.size;
  }

  #accepted(order: Pick<Pause, 'run' | 'stage' | 'by'>, seconds: number): void {
    this.#pauses.set(order.run, {
      ...order,
      hasTakenEffect: false,
      resumeAt: performance.now() + seconds * 1000,
    });
  }

  async #look(pause: Pause, calm: boolean): Promise<void> {
    const { run, stage, by } = pause;
    try {
      const handle = this.#client.workflow.getHandle(stageWorkflowId(run, stage));
      const { status } = await inTime(handle.describe());
      if (status.name !== 'RUNNING') return void this.#pauses.delete(run);
      const state = await inTime(handle.query(stageStateQuery));
      pause.hasTakenEffect ||= state.phase === 'paused' && state.paused?.by === by;
      if (!pause.hasTakenEffect || (!calm && performance.now() < pause.resumeAt)) return;
      const args: [unknown] = [{ by, why: 'the storm has passed' }];
      await inTime(this.#client.workflow.getHandle(run).executeUpdate(controlUpdates.resume, { args }));
      this.#pauses.delete(run);
    } catch {
      // Temporal or its worker is away: looked at again.
    }
  }
}
