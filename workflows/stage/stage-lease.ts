/**
 * @module The hosts of a stage: asked of the pool, held, given back. What it holds or waits for is always known, so that
 * nothing stays behind when the stage ends.
 *
 * A `leaseGranted` signal only says that it is time to ask: what the pool itself answers is the lease. The pool is asked
 * again before each attempt, since one that was started again may have granted the hosts to others.
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
import type { StageActivities } from '../../contracts/activities.ts';
import { poolWorkflowId } from '../../contracts/ids.ts';
import { parse } from '../../contracts/parsing.ts';
import type { StagePlan } from '../../contracts/plan.ts';
import { LONGEST_REASON, MAX_GANG_HOSTS, readLease, readRequest } from '../../contracts/pool-messages.ts';
import type { CarriedLease, HostBlame, Lease, LeaseAccount, LeaseRequest } from '../../contracts/pool.ts';
import { bookkeeping } from '../base/activity-profiles.ts';
import { askAgainAfterMs } from './ask-again.ts';
import { invalid } from '../base/errors.ts';
import { carriedLease, fits } from './lease-checks.ts';
import {
  blameSignal,
  leaseAccountQuery,
  leaseGrantedSignal,
  prioritySignal,
  releaseSignal,
} from '../base/messages.ts';
import { taking } from '../base/take-message.ts';

const control = proxyActivities<StageActivities>(bookkeeping);

export interface Wanted {
  readonly avoid: readonly string[];
  readonly priority: number;
}

export class StageLease {
  readonly #plan: StagePlan;
  readonly #holderSince: number;
  #held: Lease | null = null;
  /** The pool has confirmed what is held in this execution. */
  #isConfirmed = false;
  #wanted: string | null = null;
  /** A signal said that the wanted lease was granted. */
  #isGranted = false;
  #replaces: string | null = null;
  #request: LeaseRequest | null = null;
  #priority: number;
  #waits = 0;

  /**
   * Call it before the workflow's first await: a grant may be the first thing that comes.
   * @param carried By a continue-as-new, as it came.
   */
  constructor(plan: StagePlan, carried: unknown) {
    this.#plan = plan;
    this.#priority = plan.priority ?? 0;
    const before = carriedLease(carried);
    // Of the first execution: the pool takes a later start for another holder, to whom nothing belongs.
    this.#holderSince = before?.holderSince ?? workflowInfo().startTime.getTime();
    this.#held = before?.held ?? null;
    this.#wanted = before?.wanted ?? null;
    this.#replaces = before?.replaces ?? null;
    setHandler(
      leaseGrantedSignal,
      taking('leaseGranted', readLease, (granted) => this.#onGranted(granted)),
    );
    setHandler(leaseAccountQuery, () => this.#account());
  }

  get held(): Lease | null {
    return this.#held;
  }

  /** Whether it holds, or waits for, the lease of this request: the pool may want back what it has just granted. */
  isOwn(requestId: string): boolean {
    return requestId === this.#held?.requestId || requestId === this.#wanted;
  }

  /**
   * The lease that is held, or the next one, as the pool has it now.
   * @returns Undefined when `until` came true first; then the request still stands.
   */
  async wait(wanted: Wanted, until: () => boolean): Promise<Lease | undefined> {
    for (let asked = 0; !until();) {
      const requestId = this.#held?.requestId ?? (this.#isGranted ? this.#wanted : null);
      if (requestId === null) {
        await this.#ask(wanted);
        asked += 1;
        const isOver = () => this.#isGranted || until();
        await condition(isOver, askAgainAfterMs(asked), { summary: 'then ask the pool again' });
        continue;
      }
      await this.#confirm(requestId);
      if (this.#held !== null && !until()) return this.#held;
    }
    return undefined;
  }

  /** The next request takes this lease's place in one decision of the pool: hosts that are well stay with the stage. */
  replaceNext(): void {
    this.#replaces = this.#held?.requestId ?? null;
    this.#held = null;
  }

  /** Of what is held, and of what is waited for. Also when the stage is cancelled: nothing may stay behind. */
  async giveBack(): Promise<void> {
    const over = new Set([this.#held?.requestId, this.#wanted, this.#replaces]);
    this.#forget();
    for (const requestId of over) if (typeof requestId === 'string') await this.#release(requestId);
  }

  /** The successor of this execution has the same workflow id: it keeps the lease, the request, and its place. */
  handOn(): CarriedLease {
    const carried = {
      held: this.#held,
      wanted: this.#wanted,
      replaces: this.#replaces,
      holderSince: this.#holderSince,
    };
    this.#forget();
    return carried;
  }

  /** Of what is held or waited for. */
  async tellPriority(priority: number): Promise<void> {
    this.#priority = priority;
    if (this.#request !== null) this.#request = { ...this.#request, priority };
    const requestId = this.#held?.requestId ?? this.#wanted;
    if (requestId === null) return;
    await this.#tell('priority', (pool) => pool.signal(prioritySignal, { requestId, priority }));
  }

  async blame(blames: readonly HostBlame[]): Promise<void> {
    for (const { reason, ...blame } of blames) {
      const short = { ...blame, reason: reason.slice(0, LONGEST_REASON) };
      await this.#tell('blame', (pool) => pool.signal(blameSignal, short));
    }
  }

  #onGranted({ requestId, holder }: Lease): void {
    if (holder !== workflowInfo().workflowId) return;
    if (requestId === this.#wanted) this.#isGranted = true;
    else if (requestId !== this.#held?.requestId && requestId !== this.#replaces)
      void this.#release(requestId);
  }

  async #ask({ avoid, priority }: Wanted): Promise<void> {
    const { pool, gang, team, needs } = this.#plan;
    const { workflowId, runId } = workflowInfo();
    // Each wait has an id of its own: a grant of an earlier one must not pass for this one's.
    this.#wanted ??= `${workflowId}#${runId}#${(this.#waits += 1)}`;
    this.#priority = priority;
    const request: LeaseRequest = {
      requestId: this.#wanted,
      holder: workflowId,
      holderSince: this.#holderSince,
      ...gang,
      avoid: avoid.slice(0, MAX_GANG_HOSTS),
      ...(priority !== 0 && { priority }),
      ...(team !== undefined && { team }),
      ...(needs !== undefined && { needs }),
      ...(this.#replaces !== null && { replaces: this.#replaces }),
    };
    const parsed = parse(readRequest, request, 'the request for hosts');
    if (!parsed.ok) throw invalid(`no pool would take what the plan asks for: ${parsed.problem}`);
    this.#request = request;
    const summary = `ask pool '${pool}' for ${gang.hosts} hosts with ${gang.gpusPerHost} GPUs`;
    await control.requestLease.executeWithOptions({ ...bookkeeping, summary }, [{ pool, request }]);
  }

  /** Afterwards it is held as the pool has it, or not at all. */
  async #confirm(requestId: string): Promise<void> {
    const { pool, gang } = this.#plan;
    const summary = `ask pool '${pool}' which hosts it has granted`;
    const lease = await control.confirmLease.executeWithOptions({ ...bookkeeping, summary }, [
      { pool, requestId },
    ]);
    // Given back meanwhile, as by a cancellation.
    if (requestId !== this.#held?.requestId && requestId !== this.#wanted) return;
    if (lease !== null && lease.holder === workflowInfo().workflowId && fits(lease, gang)) {
      this.#forget();
      this.#held = lease;
      this.#isConfirmed = true;
      return;
    }
    log.warn('the pool has no such lease for this stage; it asks for another one', { requestId });
    this.#isGranted = false;
    if (this.#held === null) return;
    this.#forget();
    await this.#release(requestId);
  }

  #account(): LeaseAccount {
    const { pool, team } = this.#plan;
    const held = this.#isConfirmed ? this.#held : null;
    const request = this.#request?.requestId === this.#wanted ? this.#request : null;
    return {
      ...{ pool, priority: this.#priority, held, request },
      ...(team !== undefined && { team }),
    };
  }

  #forget(): void {
    [this.#held, this.#wanted, this.#replaces, this.#request] = [null, null, null, null];
    [this.#isConfirmed, this.#isGranted] = [false, false];
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
