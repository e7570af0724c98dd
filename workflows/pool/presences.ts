/**
 * @module The lives of the pool's hosts: one long activity on each host's own queue, and a short one by which a worker is
 * told that it may leave. The long one is not cancelled for that: where it has not begun yet, no one would hear of it.
 */
import { CancellationScope, isCancellation, log, proxyActivities } from '@temporalio/workflow';
import type { HostActivities } from '../../contracts/activities.ts';
import type { Host, PoolSettings } from '../../contracts/pool.ts';
import { presence, tellingToLeave } from '../base/activity-profiles.ts';

/** `left`: its worker said goodbye. `lost`: it was not heard of any more. */
type How = 'left' | 'lost';

interface Listener {
  readonly ended: (host: string, how: How) => void;
  /** Its worker knows that it may leave. */
  readonly told: (host: string) => void;
  /** Its worker could not be told. */
  readonly untold: () => void;
}

interface Watched {
  readonly scope: CancellationScope;
  readonly workerSince: number | undefined;
  /** What its worker has said since, and when. */
  again?: { readonly host: Host; readonly at: number };
  isToldToLeave?: true;
}

export class Presences {
  readonly #watched = new Map<string, Watched>();
  readonly #listener: Listener;

  constructor(listener: Listener) {
    this.#listener = listener;
  }

  /** Once for each worker. One that was started after the worker that is watched has the host from now on. */
  watch(host: Host, settings: PoolSettings): void {
    const known = this.#watched.get(host.name);
    if (known !== undefined && known.workerSince === host.workerSince) {
      known.again = { host, at: Date.now() };
      return;
    }
    const watched: Watched = { scope: new CancellationScope(), workerSince: host.workerSince };
    this.#watched.set(host.name, watched);
    known?.scope.cancel();
    void watched.scope
      .run(() => keepPresence(host, settings))
      .then((how) => {
        if (this.#watched.get(host.name) !== watched) return;
        this.#watched.delete(host.name);
        const next = nextWorker(watched);
        if (next !== undefined) this.watch(next, settings);
        else this.#listener.ended(host.name, how);
      });
  }

  /** Once for each worker that is watched; again where it could not be told. */
  tellToLeave(host: Host, settings: PoolSettings): void {
    const watched = this.#watched.get(host.name);
    if (watched === undefined || watched.isToldToLeave) return;
    watched.isToldToLeave = true;
    void tellToLeave(host, settings).then(
      () => this.#listener.told(host.name),
      (error: unknown) => {
        log.warn('could not tell a worker that it may leave', { host: host.name, error: String(error) });
        delete watched.isToldToLeave;
        this.#listener.untold();
      },
    );
  }
}

/** A goodbye and the next worker's join may come in one activation, which hands over signals first. */
function nextWorker({ again }: Watched): Host | undefined {
  return again?.at === Date.now() && again.host.leaving === undefined ? again.host : undefined;
}

async function keepPresence(host: Host, { heartbeatTimeoutMs }: PoolSettings): Promise<How> {
  const options = {
    ...presence(host.name, heartbeatTimeoutMs),
    summary: `${host.name} is there (${host.gpus} GPUs)`,
  };
  try {
    await proxyActivities<HostActivities>(options).keepPresence({ host: shortly(host) });
    return 'left';
  } catch (error) {
    return isCancellation(error) ? 'left' : 'lost';
  }
}

function tellToLeave(host: Host, { heartbeatTimeoutMs }: PoolSettings): Promise<void> {
  const options = {
    ...tellingToLeave(host.name, heartbeatTimeoutMs),
    summary: `tell ${host.name} that it may leave`,
  };
  return proxyActivities<HostActivities>(options).leave({ host: shortly(host) });
}

function shortly({ name, gpus, address, workerSince }: Host): Host {
  return { name, gpus, address, ...(workerSince !== undefined && { workerSince }) };
}
