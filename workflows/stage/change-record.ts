/**
 * @module What people change of a stage is part of the run's record in S3: a later start of the run continues with it.
 */
import { CancellationScope, log, proxyActivities } from '@temporalio/workflow';
import type { StageActivities } from '../../contracts/activities.ts';
import type { StageChanges } from '../../contracts/runs.ts';
import { answering, bookkeeping } from '../base/activity-profiles.ts';

export class ChangeRecord {
  readonly #stage: { readonly run: string; readonly stage: string };
  #recorded: StageChanges | undefined;
  /** One write after the other: an older one must not replace a newer one. */
  #writing: Promise<boolean> = Promise.resolve(true);

  /** @param recorded What the record has already. */
  constructor(stage: { readonly run: string; readonly stage: string }, recorded: StageChanges | undefined) {
    this.#stage = stage;
    this.#recorded = recorded;
  }

  /** Before an attempt begins with the changes: as long as S3 takes. */
  async keep(changes: StageChanges | undefined): Promise<void> {
    await this.#write(changes, bookkeeping);
  }

  /** While a person waits for the answer. Where S3 does not answer soon, the next attempt's `keep` does it. */
  async keepSoon(changes: StageChanges | undefined): Promise<boolean> {
    if (changes === undefined || changes === this.#recorded) return true;
    return CancellationScope.nonCancellable(async () => {
      try {
        return await this.#write(changes, answering);
      } catch (error) {
        log.warn('what a person changed is not in S3 yet', { error: String(error) });
        return false;
      }
    });
  }

  #write(changes: StageChanges | undefined, options: typeof bookkeeping): Promise<boolean> {
    const write = async () => {
      if (changes === undefined || changes === this.#recorded) return true;
      const summary = `keep what people changed of ${this.#stage.stage}`;
      const { recordChanges } = proxyActivities<StageActivities>({ ...options, summary });
      await recordChanges({ ...this.#stage, changes });
      this.#recorded = changes;
      return true;
    };
    const written = this.#writing.then(write, write);
    this.#writing = written.catch(() => false);
    return written;
  }
}
