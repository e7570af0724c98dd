/** @module Downloads that are refused before anything is asked of their sources. */
import { secretProblem, unprovenProblem } from '../../contracts/sources.ts';
import type { Recipe } from '../../contracts/weights.ts';
import { FetchError } from './sources/fetch-error.ts';

/**
 * Asked where a download begins, whoever has made up the recipe: a workflow may have been started by hand.
 *
 * @throws FetchError `unusableSource`
 */
export function mustBeAllowed(name: string, { sources, sha256 }: Extract<Recipe, { how: 'download' }>): void {
  const problem = secretProblem(name, sources) ?? unprovenProblem(sources, sha256);
  if (problem !== undefined) throw new FetchError('unusableSource', problem);
}
