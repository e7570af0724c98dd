/** @module What has happened in a storm, in order: what a failure prints. */

export interface Entry {
  /** Seconds after the storm's begin. */
  readonly at: number;
  readonly text: string;
  /** Number of the strike that it tells of. */
  readonly strike?: number;
}

export interface Violation {
  readonly rule: string;
  readonly text: string;
}

/** So long before a violation what happened is part of its story, in seconds. */
const STORY_SECONDS = 45;

export class Story {
  readonly entries: Entry[] = [];
  readonly #begin = performance.now();
  readonly #tell: (line: string) => void;
  /** The same violation is told once. */
  readonly #violations = new Map<string, Violation & { readonly at: number }>();

  constructor(tell: (line: string) => void) {
    this.#tell = tell;
  }

  get seconds(): number {
    return (performance.now() - this.#begin) / 1000;
  }

  get violations(): readonly (Violation & { readonly at: number })[] {
    return [...this.#violations.values()];
  }

  note(text: string, strike?: number): void {
    const entry = { at: this.seconds, text, ...(strike !== undefined && { strike }) };
    this.entries.push(entry);
    this.#tell(lineOf(entry));
  }

  violate(violation: Violation): void {
    const key = `${violation.rule}\n${violation.text}`;
    if (this.#violations.has(key)) return;
    this.#violations.set(key, { ...violation, at: this.seconds });
    this.note(`VIOLATION ${violation.rule}: ${violation.text}`);
  }

  /** Of the first violation: what came before it, and how to have it again. */
  failure(command: string): string {
    const [first] = this.violations;
    if (first === undefined) return '';
    const recent = this.entries.filter(({ at }) => at <= first.at && at >= first.at - STORY_SECONDS);
    const since = recent.filter((entry) => concerns(entry, first));
    const strikes = since.flatMap(({ strike }) => strike ?? []);
    const only = strikes.length === 0 ? '' : ` --only ${[...new Set(strikes)].join(',')}`;
    return [
      `\n${this.violations.length} violation(s); the first one, ${first.rule}: ${first.text}`,
      `what came before it:`,
      ...since.map(lineOf),
      `\nthe same storm: ${command}\nits last strikes alone: ${command}${only}`,
    ].join('\n');
  }
}

/** What concerns other pieces of work alone is left out: strikes hit all. */
function concerns({ text, strike }: Entry, violation: Violation): boolean {
  const pieces = piecesIn(violation.text);
  const isOfOthers = piecesIn(text).length > 0 && !piecesIn(text).some((piece) => pieces.includes(piece));
  return pieces.length === 0 || (strike !== undefined && !/^(bad message|')/.test(text)) || !isOfOthers;
}

function piecesIn(text: string): readonly string[] {
  return text.match(/storm-(joint|finetune|sweeps)-\d+/g) ?? [];
}

function lineOf({ at, text, strike }: Entry): string {
  return `${at.toFixed(1).padStart(6)} s  ${strike === undefined ? '' : `#${strike} `}${text}`;
}
