/**
 * @module The hosts of a stage: asked of the pool, held, given back. What it holds or waits for is always known, so that
 * nothing stays behind when the stage ends.
 */
import {
  CancellationScope,
  condition,
  getExternalWorkflowHandle,
  log,
  proxyActivities,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type { StageActivities } from '../contracts/activities.ts';
import { poolWorkflowId } from '../contracts/ids.ts';
import type { StagePlan } from '../contracts/plan.ts';
import type { HostBlame, Lease } from '../contracts/pool.ts';
import { bookkeeping } from './activity-profiles.ts';
import { blameSignal, leaseGrantedSignal, prioritySignal, releaseSignal } from './messages.ts';

const control = proxyActivities<StageActivities>(bookkeeping);

/** How long a stage waits for hosts before it asks for them a second time. */
const FIRST_PATIENCE_MS = 30_000;

export interface Wanted {
  /** Makes the request's id one of its own. */
  readonly attempt: number;
  readonly avoid: readonly string[];
  readonly priority: number;
}

export class StageLease {
  readonly #plan: StagePlan;
  #held: Lease | null;
  #wanted: string | null = null;
  #replaces: string | null = null;

  /** Call it before the workflow's first await: a grant may be the first thing that comes. */
  constructor(plan: StagePlan, carried: Lease | null) {
    this.#plan = plan;
    this.#held = carried;
    setHandler(leaseGrantedSignal, (granted) => {
      if (granted.requestId === this.#wanted) this.#held = granted;
      else if (granted.requestId !== this.#held?.requestId) void this.#release(granted.requestId);
    });
  }

  get held(): Lease | null {
    return this.#held;
  }

  /** @returns Undefined when `until` came true first; then the request still stands. */
  async wait({ attempt, avoid, priority }: Wanted, until: () => boolean): Promise<Lease | undefined> {
    if (this.#held !== null) return this.#held;
    const { pool, gang, team, needs } = this.#plan;
    const { workflowId, runId, startTime } = workflowInfo();
    this.#wanted = `${workflowId}#${runId}#${String(attempt)}`;
    const request = {
      requestId: this.#wanted,
      holder: workflowId,
      holderSince: startTime.getTime(),
      ...gang,
      avoid,
      ...(priority !== 0 && { priority }),
      ...(team !== undefined && { team }),
      ...(needs !== undefined && { needs }),
      ...(this.#replaces !== null && { replaces: this.#replaces }),
    };
    const summary = `ask pool '${pool}' for ${String(gang.hosts)} hosts with ${String(gang.gpusPerHost)} GPUs`;
    const isOver = () => this.#held !== null || until();
    // Asked again, since a pool that was started anew has forgotten who waits; ever more rarely, for a short history.
    for (let patienceMs = FIRST_PATIENCE_MS; !isOver(); patienceMs *= 2) {
      await control.requestLease.executeWithOptions({ ...bookkeeping, summary }, [{ pool, request }]);
      await condition(isOver, patienceMs, { summary: 'then ask the pool again' });
    }
    const { held } = this;
    if (held !== null) [this.#wanted, this.#replaces] = [null, null];
    return held ?? undefined;
  }

  /** The next request takes this lease's place in one decision of the pool: hosts that are well stay with the stage. */
  replaceNext(): void {
    this.#replaces = this.#held?.requestId ?? null;
    this.#held = null;
  }

  /** Of what is held, and of what is waited for. Also when the stage is cancelled: nothing may stay behind. */
  async giveBack(): Promise<void> {
    const over = new Set([this.#held?.requestId, this.#wanted, this.#replaces]);
    [this.#held, this.#wanted, this.#replaces] = [null, null, null];
    for (const requestId of over) if (typeof requestId === 'string') await this.#release(requestId);
  }

  /** The successor of this execution has the same workflow id, and keeps the lease. */
  handOn(): Lease | null {
    const held = this.#held;
    this.#held = null;
    return held;
  }

  /** Of what is held or waited for. */
  async tellPriority(priority: number): Promise<void> {
    const requestId = this.#held?.requestId ?? this.#wanted;
    if (requestId === null) return;
    await this.#tell('priority', (pool) => pool.signal(prioritySignal, { requestId, priority }));
  }

  async blame(blames: readonly HostBlame[]): Promise<void> {
    for (const blame of blames) await this.#tell('blame', (pool) => pool.signal(blameSignal, blame));
  }

  async #release(requestId: string): Promise<void> {
    await this.#tell('release', (pool) => pool.signal(releaseSignal, { requestId }));
  }

  /** A pool that is gone has no leases either; one that missed the signal finds the holder ended. */
  async #tell(
    what: string,
    send: (pool: ReturnType<typeof getExternalWorkflowHandle>) => Promise<void>,
  ): Promise<void> {
    const pool = getExternalWorkflowHandle(poolWorkflowId(this.#plan.pool));
    try {
      await CancellationScope.nonCancellable(() => send(pool));
    } catch (error) {
      log.warn('the pool did not take a signal', { signal: what, error: String(error) });
    }
  }
}
