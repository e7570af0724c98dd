/**
 * @module The lives of the pool's hosts: one long activity on each host's own queue.
 */
import { CancellationScope, isCancellation, patched, proxyActivities } from '@temporalio/workflow';
import type { HostActivities } from '../contracts/activities.ts';
import type { Host, PoolSettings } from '../contracts/pool.ts';
import { presence } from './activity-profiles.ts';

/** `left`: its worker said goodbye, or was told that it may leave. `lost`: it was not heard of any more. */
type How = 'left' | 'lost';

/** Those that began before do not watch a worker that joins while the one before it is leaving. */
const JOINS_COUNT = 'joins of leaving hosts count';

interface Watched {
  readonly scope: CancellationScope;
  /** What its worker has said since, and when. */
  again?: { readonly host: Host; readonly at: number };
}

export class Presences {
  readonly #watched = new Map<string, Watched>();
  readonly #onEnd: (host: string, how: How) => void;

  constructor(onEnd: (host: string, how: How) => void) {
    this.#onEnd = onEnd;
  }

  /** Once for each host at a time. A worker that joins while the one before is leaving is another one. */
  watch(host: Host, settings: PoolSettings): void {
    const known = this.#watched.get(host.name);
    if (known !== undefined) known.again = { host, at: Date.now() };
    if (known !== undefined && !(known.scope.consideredCancelled && patched(JOINS_COUNT))) return;
    const watched: Watched = { scope: new CancellationScope() };
    this.#watched.set(host.name, watched);
    void watched.scope
      .run(() => bePresent(host, settings))
      .then((how) => {
        if (this.#watched.get(host.name) !== watched) return;
        this.#watched.delete(host.name);
        const next = nextWorker(watched);
        if (next !== undefined && patched(JOINS_COUNT)) this.watch(next, settings);
        else this.#onEnd(host.name, how);
      });
  }

  /** Tells the host's worker that it may leave. False when it was told before, or nobody watches the host. */
  letGo(host: string): boolean {
    const scope = this.#watched.get(host)?.scope;
    if (scope === undefined || scope.consideredCancelled) return false;
    scope.cancel();
    return true;
  }
}

/** A goodbye and the next worker's join may come in one activation, which hands over signals first. */
function nextWorker({ again }: Watched): Host | undefined {
  return again?.at === Date.now() && again.host.leaving === undefined ? again.host : undefined;
}

async function bePresent({ name, gpus, address }: Host, { heartbeatTimeoutMs }: PoolSettings): Promise<How> {
  const options = {
    ...presence(name, heartbeatTimeoutMs),
    summary: `${name} is there (${String(gpus)} GPUs)`,
  };
  try {
    await proxyActivities<HostActivities>(options).bePresent({ host: { name, gpus, address } });
    return 'left';
  } catch (error) {
    return isCancellation(error) ? 'left' : 'lost';
  }
}
