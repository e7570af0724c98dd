/**
 * @module What happens to a stage, in words for people.
 */
import type { StageResult } from '../../contracts/runs.ts';
import type { OpenAttemptResult, Coverage } from '../../contracts/training.ts';

/** The attempt does not continue from where the head was. */
export function backText({ insteadOf, resumeFrom }: OpenAttemptResult, isMeant: boolean): string | undefined {
  if (insteadOf === undefined) return undefined;
  const newest = `the checkpoint of iteration ${insteadOf.iterations}`;
  if (!isMeant) return `${newest} is damaged or gone: ${insteadOf.file.key}`;
  const to = resumeFrom === null ? 'the initial weights' : `iteration ${resumeFrom.iterations}`;
  return `${newest} is left behind: back to ${to}`;
}

export function coverageText({ keys, parameters }: Coverage): string {
  const [ofParameters, ofKeys] = [parameters, keys].map(
    (share) => `${Math.floor(share * 1000 + 1e-6) / 10} %`,
  );
  return `initial weights matched ${ofParameters} of the model's parameters, ${ofKeys} of its keys`;
}

/** Of a stage that has come to its end, or to where it was to rest. */
export function endText({ stage, artifact, lastFailure }: StageResult): string {
  const { name, iterations, key, sha256 } = artifact;
  const rests = name.endsWith(`@${iterations}`);
  const after = lastFailure === undefined ? '' : `; its weights were final already when ${lastFailure}`;
  return `${stage} ${rests ? `rests after iteration ${iterations}, as asked` : 'done'}: ${key}, sha256 ${sha256}${after}`;
}

/** What a person can do about a training that diverged again. */
export function questionText(run: string): string {
  return `it diverged again after going back, and waits without hosts: glee resolve ${run} --back-to ITERATION, --learning-rate RATE, or --stop`;
}
