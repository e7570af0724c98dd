/** @module A pool while its workflow runs: its state, and the hosts whose presence it watches. */
import { leaveHost, letHostGo, loseHost } from './pool-hosts.ts';
import { emptyPool, type CarriedPool, type PoolState } from './pool-state.ts';
import { Presences } from './presences.ts';

export class PoolRun {
  #state: PoolState;
  #changed = true;
  #isReady = false;
  /** Epoch ms. Carried on: in a busy pool no execution lasts as long as holders may go without a check. */
  holdersCheckedAt: number;
  readonly presences = new Presences({
    ended: (host, how) => this.update((how === 'left' ? leaveHost : loseHost)(this.#state, host, Date.now())),
    told: (host) => this.update(letHostGo(this.#state, host)),
    untold: () => this.update(this.#state),
  });

  constructor(carried: CarriedPool | undefined) {
    this.#state = carried?.state ?? emptyPool;
    this.holdersCheckedAt = carried?.lookedAt ?? Date.now();
  }

  get state(): PoolState {
    return this.#state;
  }

  update(next: PoolState): void {
    this.#state = next;
    this.#changed = true;
  }

  /** For what needs no further decision. */
  updateQuietly(next: PoolState): void {
    this.#state = next;
  }

  /** Something has changed since `forgetChanges`. */
  get hasChanged(): boolean {
    return this.#changed;
  }

  forgetChanges(): void {
    this.#changed = false;
  }

  /** Leases of a pool before this one are known: hosts are watched from here on, and leases confirmed. */
  get isReady(): boolean {
    return this.#isReady;
  }

  begin(): void {
    this.#isReady = true;
    for (const host of this.#state.hosts) if (host.present) this.presences.watch(host, this.#state.settings);
  }

  carried(): CarriedPool {
    return { state: this.#state, lookedAt: this.holdersCheckedAt };
  }
}
