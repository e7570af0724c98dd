/** @module How `glee plan` ends, whatever it has planned. */
import pc from 'picocolors';
import { describeProblem } from '../../planning/reading/problems.ts';
import type { Problem } from '../../contracts/plan.ts';

/** @param schedule The line that schedules it. */
export function verdictLines(problems: readonly Problem[], schedule?: string): readonly string[] {
  const lines = problems.map((problem) =>
    (problem.level === 'error' ? pc.red : pc.yellow)(describeProblem(problem)),
  );
  const errors = problems.filter(({ level }) => level === 'error').length;
  const verdict =
    errors > 0
      ? pc.red(`\n${errors} to mend before this can run`)
      : pc.green('\nnothing keeps this from running');
  return [...lines, verdict, ...(schedule === undefined ? [] : ['', schedule])];
}
