/**
 * @module The segments that a sweep's trials are on. They outlive an execution of the sweep: were it to wait for their ends
 * before it continues as new, hosts would stand idle until the slowest is there. No result of a child reaches the next
 * execution; an activity waits there for those that are on their way, as many as run at a time and once each.
 */
import {
  ApplicationFailure,
  CancellationScope,
  CancelledFailure,
  getExternalWorkflowHandle,
  ParentClosePolicy,
  proxyActivities,
  startChild,
} from '@temporalio/workflow';
import type { SweepActivities } from '../../contracts/activities.ts';
import type { FineTuneInput, FineTuneResult } from '../../contracts/fine-tune.ts';
import { awaitingTrial, bookkeeping } from '../base/activity-profiles.ts';
import { fineTune } from '../run/fine-tune.ts';
import { onceFree } from '../run/once-free.ts';

export type SegmentEnd =
  | { readonly result: FineTuneResult }
  /** For so long it held its hosts all the same. */
  | { readonly error: unknown; readonly gpuHours: number };

export class TrialSegments {
  readonly #running = new Map<string, CancellationScope>();
  /** By run: only these will have a result. */
  readonly #begun = new Set<string>();
  #starting = 0;

  get size(): number {
    return this.#running.size;
  }

  get begun(): readonly string[] {
    return [...this.#begun];
  }

  /** Changes with all that this execution may have waited for. */
  get version(): string {
    return `${this.#running.size} ${this.#starting}`;
  }

  /** False while the server has not said whether a segment has begun: the next execution could not know either. */
  get mayBeLeft(): boolean {
    return this.#starting === 0;
  }

  start(run: string, input: FineTuneInput, summary: string, tell: (end: SegmentEnd) => void): void {
    const segment = async () => {
      const child = await this.#begin(run, input, summary);
      return child.result();
    };
    this.#track(run, () => onceFree('wait for an earlier segment of this trial to end', segment), tell);
  }

  /** Waits for a segment that an earlier execution of the sweep began. @param stopping It has been asked to stop. */
  resume(run: string, stopping: boolean, tell: (end: SegmentEnd) => void): void {
    this.#begun.add(run);
    const segment = async () => {
      // The word of the execution before may have been lost with it.
      if (stopping) void cancel(run);
      void CancellationScope.current().cancelRequested.catch(() => cancel(run));
      const end = await CancellationScope.nonCancellable(() => awaitTrial(run));
      if ('result' in end) return end.result;
      throw 'failed' in end ? ApplicationFailure.nonRetryable(end.failed) : new CancelledFailure(run);
    };
    this.#track(run, segment, tell);
  }

  stop(run: string): void {
    this.#running.get(run)?.cancel();
  }

  async #begin(run: string, input: FineTuneInput, summary: string) {
    this.#starting += 1;
    try {
      const child = await startChild(fineTune, {
        workflowId: run,
        args: [input],
        parentClosePolicy: ParentClosePolicy.ABANDON,
        staticSummary: summary,
      });
      this.#begun.add(run);
      return child;
    } finally {
      this.#starting -= 1;
    }
  }

  #track(run: string, segment: () => Promise<FineTuneResult>, tell: (end: SegmentEnd) => void): void {
    const scope = new CancellationScope();
    this.#running.set(run, scope);
    const end = (how: SegmentEnd) => {
      this.#running.delete(run);
      this.#begun.delete(run);
      tell(how);
    };
    void scope.run(segment).then(
      (result) => end({ result }),
      // It counts as running until it is known what it cost: an execution that continues as new measures it again.
      async (error: unknown) => end({ error, gpuHours: await measureSegment(run) }),
    );
  }
}

/** One that has ended by itself cannot be cancelled, and need not be. */
async function cancel(run: string): Promise<void> {
  const handle = getExternalWorkflowHandle(run);
  await CancellationScope.nonCancellable(() => handle.cancel()).catch(() => undefined);
}

/** A segment that failed or was stopped has no result that says so. Whatever keeps it from being known must not end the sweep. */
async function measureSegment(run: string): Promise<number> {
  // All of the sweep is cancelled: nothing is decided by it any more.
  if (CancellationScope.current().consideredCancelled) return 0;
  const { measureSegment: measure } = proxyActivities<SweepActivities>({
    ...bookkeeping,
    summary: `measure how long ${run} held its hosts`,
  });
  return measure({ run }).catch(() => 0);
}

function awaitTrial(run: string) {
  const summary = `wait for ${run}, which an earlier execution of this sweep began`;
  const { awaitTrial: wait } = proxyActivities<SweepActivities>({ ...awaitingTrial, summary });
  return wait({ run });
}
