import type { EvaluationTask } from '../../../contracts/evaluation.ts';

/** Iterations for people; the checksum is of all that decides the figures. */
export function evaluationName({
  iterations,
  inputs,
}: Pick<EvaluationTask, 'iterations' | 'inputs'>): string {
  return `${iterations}-${inputs.slice(0, 12)}`;
}
