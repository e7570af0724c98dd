/** @module The input of `evaluate`, as anyone may have sent it. */
import type { EvaluateInput } from '../../contracts/evaluation.ts';
import { invalid } from '../base/errors.ts';

const LONGEST_NAME = 300;
const MOST_DATASETS = 200;

/** @throws InvalidConfig saying what is wrong with it. */
export function checkEvaluateInput(input: unknown): EvaluateInput {
  const example = '{"checkpoint":"rabbits-1/finetune@final"}';
  if (typeof input !== 'object' || input === null || Array.isArray(input))
    throw invalid(`input must be an object like ${example}, not ${shown(input)}`);
  const facts: Record<string, unknown> = { ...input };
  const { checkpoint, config, datasets, ...unknown } = facts;
  const [key] = Object.keys(unknown);
  if (key !== undefined)
    throw invalid(
      `input has an unknown key '${key.slice(0, LONGEST_NAME)}': there are checkpoint, config and datasets`,
    );
  if (!isName(checkpoint)) throw invalid(`input.checkpoint must name one, as in ${example}`);
  if (config !== undefined && !isName(config))
    throw invalid("input.config must be a name like 'finetune/odinw-rabbits'");
  if (datasets !== undefined && !isNames(datasets))
    throw invalid(`input.datasets must be a list of at most ${MOST_DATASETS} names`);
  return { checkpoint, ...(config !== undefined && { config }), ...(datasets !== undefined && { datasets }) };
}

function isNames(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.length > 0 && value.length <= MOST_DATASETS && value.every(isName);
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value.length <= LONGEST_NAME;
}

function shown(value: unknown): string {
  return value === undefined ? 'nothing' : JSON.stringify(value).slice(0, LONGEST_NAME);
}
