/** @module What is disturbed at the moment, so that a rule with a time limit counts only the time that it had. */

/** A host's name, or one of the parts that all share. */
export type Part = 'S3' | 'Temporal' | 'control worker' | (string & {});

/** After a disturbance, for starting again and finding each other, in seconds. */
const RECOVERY_SECONDS = 6;

export class Disturbances {
  readonly #active = new Map<Part, number>();
  readonly #endedAt = new Map<Part, number>();

  begin(part: Part): void {
    this.#active.set(part, (this.#active.get(part) ?? 0) + 1);
  }

  end(part: Part): void {
    this.#active.set(part, (this.#active.get(part) ?? 1) - 1);
    this.#endedAt.set(part, performance.now());
  }

  isQuiet(part: Part): boolean {
    if ((this.#active.get(part) ?? 0) > 0) return false;
    return performance.now() - (this.#endedAt.get(part) ?? -Infinity) > RECOVERY_SECONDS * 1000;
  }
}

/** Counts, for each thing that should not last, for how long it has lasted while nothing excused it. */
export class Stopwatches {
  readonly #seconds = new Map<string, number>();
  #lookedAt = performance.now();

  /** @param lasting What is the case now; `excused` where a disturbance explains it. Returns those over the limit. */
  over(lasting: ReadonlyMap<string, { readonly excused: boolean }>, limitSeconds: number): readonly string[] {
    const now = performance.now();
    const passed = (now - this.#lookedAt) / 1000;
    this.#lookedAt = now;
    for (const key of this.#seconds.keys()) if (!lasting.has(key)) this.#seconds.delete(key);
    for (const [key, { excused }] of lasting)
      this.#seconds.set(key, (this.#seconds.get(key) ?? 0) + (excused ? 0 : passed));
    return [...this.#seconds].flatMap(([key, seconds]) => (seconds > limitSeconds ? [key] : []));
  }
}
