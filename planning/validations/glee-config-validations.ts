/** @module What yacs would refuse in a GLEE config itself: keys that GLEE lacks, and values of another type. */
import type { Problem } from '../../contracts/plan.ts';
import type { KnownKeys } from '../glee/checkout.ts';
import { typeProblem } from '../glee/key-types.ts';
import { settingProblem, type StagePlaces } from './setting-places.ts';
import { isPythonSettings, type PythonSettings } from '../pyyaml/python-value.ts';
import { mergeSettings, settingAt } from '../reading/nested-settings.ts';

/** One problem for each key whose value no override replaces. */
export function gleeConfigProblems(
  settings: PythonSettings,
  known: KnownKeys,
  places: StagePlaces,
): readonly Problem[] {
  const overrides = mergeSettings(places.sharedOverrides, places.ownOverrides);
  const problem = (key: string, message: string, change: string) =>
    settingProblem(places, { level: 'error', key, message, change });
  return leaves(settings).flatMap(([key, value]) => {
    if (settingAt(overrides, key) !== undefined) return [];
    const type = known.types.get(key);
    if (type === undefined) {
      if (!known.complete || isPythonSettings(value)) return [];
      const message = 'is not a key that this GLEE defines: yacs stops the trainer';
      return [
        { level: 'error', file: places.gleeFile, key, message: `${places.stage}: ${message}. Remove it` },
      ];
    }
    const wrong = typeProblem(value, type);
    return wrong === undefined ? [] : [problem(key, wrong, 'to a value of its type')];
  });
}

type Leaf = readonly [key: string, value: PythonSettings[string]];

function leaves(settings: PythonSettings, above = ''): readonly Leaf[] {
  return Object.entries(settings).flatMap(([name, value]): readonly Leaf[] => {
    const key = `${above}${name}`;
    return isPythonSettings(value) && Object.keys(value).length > 0
      ? leaves(value, `${key}.`)
      : [[key, value]];
  });
}
