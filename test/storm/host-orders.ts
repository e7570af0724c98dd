/**
 * @module A person's orders on hosts in the midst of a storm, and their invariants: what was accepted shows until it is
 * undone, a host that is set aside gets no new lease, and one that is drained becomes free.
 */
import { WorkflowUpdateFailedError, type Client } from '@temporalio/client';
import { poolWorkflowId } from '../../contracts/ids.ts';
import type { HostOrder } from '../../contracts/pool.ts';
import type { HostView, PoolView } from '../../contracts/pool-view.ts';
import { cordonUpdate, drainUpdate, uncordonUpdate } from '../../workflows/base/messages.ts';
import { Stopwatches, type Disturbances } from './disturbances.ts';
import { inTime } from './in-time.ts';
import type { Violation } from './story.ts';
import type { HostOrderKind } from './strikes.ts';

/** From an accepted drain to a host without leases, in seconds without a disturbance. */
const MOST_SECONDS = 40;

const UPDATES = { cordon: cordonUpdate, drain: drainUpdate } as const;

interface SetAside {
  readonly order: HostOrderKind;
  readonly by: string;
  readonly acceptedAt: number;
  /** False: no answer came, and it may take effect or not. */
  readonly isCertain: boolean;
  undoAt: number;
  hasTakenEffect: boolean;
  isUndone: boolean;
}

/** What may come into effect at any time is undone again and again, so many milliseconds apart. */
const UNDO_AGAIN_MS = 2000;

export class HostOrders {
  readonly #client: Client;
  readonly #disturbances: Disturbances;
  readonly #draining = new Stopwatches();
  readonly #orders = new Map<string, SetAside>();
  #pools = 0;
  #count = 0;

  constructor(client: Client, disturbances: Disturbances) {
    this.#client = client;
    this.#disturbances = disturbances;
  }

  /** What came of it, for people. */
  async give(host: string, order: HostOrderKind, seconds: number): Promise<string> {
    const by = `storm-host-${(this.#count += 1)}`;
    const pool = this.#pools;
    if (this.#orders.has(host)) return `${host} is set aside already: no order '${order}'`;
    const told = `'${order}' of ${host} by ${by}`;
    const args: [HostOrder] = [{ host, by, why: 'the storm' }];
    const answer = await inTime(this.#pool().executeUpdate(UPDATES[order], { args })).then(
      () => ({ text: 'is accepted', isCertain: true }),
      (error: unknown) =>
        error instanceof WorkflowUpdateFailedError
          ? { text: `is refused: ${error.cause}`, isCertain: undefined }
          : { text: `gets no answer: ${String(error)}`, isCertain: false },
    );
    const { text, isCertain } = answer;
    const now = performance.now();
    const begun = { acceptedAt: now, undoAt: now + seconds * 1000, hasTakenEffect: false, isUndone: false };
    if (isCertain !== undefined && pool === this.#pools)
      this.#orders.set(host, { order, by, isCertain, ...begun });
    return `${told} ${text}`;
  }

  /** A pool that was terminated takes its orders with it. */
  poolLost(): void {
    this.#pools += 1;
    this.#orders.clear();
  }

  /** @param askedAt When the view was asked for, by `performance.now`. */
  check({ hosts }: Pick<PoolView, 'hosts'>, askedAt: number): readonly Violation[] {
    const parts = ['S3', 'Temporal', 'control worker', ...hosts.map(({ name }) => name)];
    const excused = !parts.every((part) => this.#disturbances.isQuiet(part));
    const draining = new Map<string, { excused: boolean }>();
    const found: Violation[] = [...newLeases(hosts)];
    for (const [name, one] of this.#orders) {
      const host = hosts.find((known) => known.name === name);
      if (!one.isCertain || one.isUndone || one.acceptedAt > askedAt) continue;
      const { order, by } = one;
      if ((order === 'drain' ? host?.draining : host?.cordoned)?.by !== by)
        found.push({ rule: 'accepted orders take effect', text: `'${order}' of ${name} by ${by} is lost` });
      one.hasTakenEffect ||= order === 'cordon' || host?.leases.length === 0;
      if (!one.hasTakenEffect) draining.set(`'drain' of ${name} by ${by}`, { excused });
    }
    const late = this.#draining.over(draining, MOST_SECONDS);
    return [
      ...found,
      ...late.map((key) => ({
        rule: 'accepted orders take effect',
        text: `${key} leaves its leases where they are`,
      })),
    ];
  }

  /** Undoes what has lasted for long enough; all of it when `calm`. */
  async undo(calm: boolean): Promise<void> {
    for (const [host, one] of this.#orders) {
      const now = performance.now();
      const isDue = one.isUndone || ((one.hasTakenEffect || !one.isCertain) && (calm || now >= one.undoAt));
      if (!isDue || (!one.isCertain && one.isUndone && now < one.undoAt)) continue;
      [one.isUndone, one.undoAt] = [true, now + UNDO_AGAIN_MS];
      const args: [HostOrder] = [{ host, by: one.by, why: 'the storm has passed' }];
      // A certain one that is refused was undone by an earlier call whose answer was lost.
      const isOver = await inTime(this.#pool().executeUpdate(uncordonUpdate, { args })).then(
        () => true,
        (error: unknown) => one.isCertain && error instanceof WorkflowUpdateFailedError,
      );
      if (isOver && this.#orders.get(host) === one) this.#orders.delete(host);
    }
  }

  #pool() {
    return this.#client.workflow.getHandle(poolWorkflowId('default'));
  }
}

/** Grants after the host was set aside. What an adopted lease tells is when the pool was told of it. */
export function newLeases(hosts: readonly HostView[]): readonly Violation[] {
  return hosts.flatMap(({ name, leases, cordoned, draining, quarantined }) => {
    const since = Math.min(...[cordoned, draining, quarantined].map((one) => one?.since ?? Infinity));
    return leases
      .filter((lease) => lease.adopted !== true && lease.since > since)
      .map(({ holder }) => ({
        rule: 'a host that is set aside gets no work',
        text: `${name} was granted to ${holder} after it was set aside`,
      }));
  });
}
