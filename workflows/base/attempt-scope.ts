/**
 * @module Ends what a stage does, an attempt or a wait, without ending the stage: for the pool's sake or a person's.
 */
import { CancellationScope, isCancellation } from '@temporalio/workflow';

/** What becomes of the hosts when all has ended. */
export type Ending = 'keeps its hosts' | 'gives its hosts back';

export class AttemptScope {
  #asked: Ending | null = null;
  #running: CancellationScope | null = null;

  /** True from the asking until it is taken: a condition for whatever waits. */
  get isAsked(): boolean {
    return this.#asked !== null;
  }

  /** The stage is at a place where it can follow. */
  take(): Ending | null {
    const asked = this.#asked;
    this.#asked = null;
    return asked;
  }

  /** @param saved Resolves when the attempt that runs may be ended at little loss. */
  ask(ending: Ending, saved: () => Promise<void>): void {
    if (this.#asked !== 'gives its hosts back') this.#asked = ending;
    const running = this.#running;
    if (running !== null) void saved().then(() => running.cancel());
  }

  /**
   * Runs an attempt that may be ended alone.
   * @returns Undefined when it was, or when it was not begun because an end is asked for already. Throws when the stage
   * itself is cancelled.
   */
  async run<T>(attempt: () => Promise<T>): Promise<T | undefined> {
    if (this.isAsked) return undefined;
    const stage = CancellationScope.current();
    const scope = new CancellationScope();
    this.#running = scope;
    try {
      const outcome = await orEnded(scope, attempt);
      if (stage.consideredCancelled) await stage.cancelRequested;
      return outcome;
    } finally {
      this.#running = null;
    }
  }
}

/** @returns Undefined when `scope` was cancelled alone. Throws when what is around it is, or the work failed. */
export async function orEnded<T>(scope: CancellationScope, work: () => Promise<T>): Promise<T | undefined> {
  const around = CancellationScope.current();
  try {
    return await scope.run(work);
  } catch (error) {
    if (!isCancellation(error) || !scope.consideredCancelled || around.consideredCancelled) throw error;
    return undefined;
  }
}
