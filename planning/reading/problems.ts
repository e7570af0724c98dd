/** @module How problems in configs are told: one line each, with the nearest right word for a misspelt one. */
import { distance } from 'fastest-levenshtein';
import type { Problem } from '../../contracts/plan.ts';

/** A person reads no more at a time, and an error crosses Temporal. */
const MOST_TOLD = 50;
const LONGEST_PART = 2000;

/** A config that can't be used. The message has one line a problem. */
export class ConfigError extends Error {
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    const more = problems.length - MOST_TOLD;
    const told = problems.slice(0, MOST_TOLD).map(describeProblem);
    super([...told, ...(more > 0 ? [`and ${more} problems more`] : [])].join('\n'));
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

/** `configs/joint/lite.yaml:12: stages.stage2.config: message`, with `warning: ` before a warning. */
export function describeProblem(problem: Problem): string {
  const place = problem.line === undefined ? problem.file : `${problem.file}:${problem.line}`;
  const parts = [problem.level === 'warning' ? 'warning' : '', place, problem.key, problem.message];
  return parts
    .filter((part) => part !== '')
    .map((part) => (part.length > LONGEST_PART ? `${part.slice(0, LONGEST_PART)}…` : part))
    .join(': ');
}

/** Up to `count` candidates that `word` may have been meant to be, at most `limit` edits away, the nearest first. */
export function nearest(
  word: string,
  candidates: Iterable<string>,
  count = 3,
  limit = Math.max(2, Math.floor(word.length / 3)),
): string[] {
  return [...candidates]
    .map((candidate) => ({ candidate, away: away(word, candidate) }))
    .filter(({ away }) => away <= limit)
    .sort((a, b) => a.away - b.away || a.candidate.localeCompare(b.candidate))
    .slice(0, count)
    .map(({ candidate }) => candidate);
}

/** `; did you mean 'path'?`, or nothing where no candidate is near. */
export function didYouMean(word: string, candidates: Iterable<string>): string {
  const [first] = nearest(word, candidates, 1);
  return first === undefined ? '' : `; did you mean '${first}'?`;
}

/** `a, b or c` */
export function alternatives(words: readonly string[]): string {
  if (words.length < 2) return words.join('');
  return `${words.slice(0, -1).join(', ')} or ${words.at(-1) ?? ''}`;
}

/** Edits between the words. A word without its folder or section (`lite`, `MAX_ITER`) is one edit away from the whole. */
function away(word: string, candidate: string): number {
  const whole = distance(word.toLowerCase(), candidate.toLowerCase());
  if (/[./]/.test(word)) return whole;
  const last = candidate.split(/[./]/).at(-1) ?? candidate;
  return Math.min(whole, distance(word.toLowerCase(), last.toLowerCase()) + 1);
}
