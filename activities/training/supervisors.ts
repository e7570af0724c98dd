/**
 * @module Who in this process watches which job. A job has one supervisor: when the server hands out a second attempt
 * while the first still runs (it was away for longer than the heartbeat time-out), the first lets go.
 */
export interface Supervision {
  /** Aborted when a newer attempt takes the job over. */
  readonly signal: AbortSignal;
  /** Says that this supervisor has stopped; must be called whatever happens. */
  end(): void;
}

export class Supervisors {
  readonly #current = new Map<
    string,
    { readonly controller: AbortController; readonly ended: Promise<void> }
  >();
  #letGo = newDeferred();

  /** Resolves once the supervisor before, if there is one, has let go. */
  async takeOver(jobFolder: string): Promise<Supervision> {
    const before = this.#current.get(jobFolder);
    const controller = new AbortController();
    const { promise: ended, resolve } = newDeferred();
    const entry = { controller, ended };
    this.#current.set(jobFolder, entry);
    before?.controller.abort();
    await before?.ended;
    return {
      signal: controller.signal,
      end: () => {
        resolve();
        if (this.#current.get(jobFolder) !== entry) return;
        this.#current.delete(jobFolder);
        this.#letGo.resolve();
        this.#letGo = newDeferred();
      },
    };
  }

  /** Resolves when the next job is left without a supervisor. */
  untilOneLetsGo(): Promise<void> {
    return this.#letGo.promise;
  }

  isWatched(jobFolder: string): boolean {
    return this.#current.has(jobFolder);
  }
}

function newDeferred(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let settle: (() => void) | undefined;
  const promise = new Promise<void>((resolve) => (settle = resolve));
  return { promise, resolve: () => settle?.() };
}
