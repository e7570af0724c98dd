/** @module Data sets that no one registers, and lists that must be as long as the list of data sets. */
import type { ConfigValue, Problem } from '../../contracts/plan.ts';
import type { Datasets } from '../glee/dataset-catalog.ts';
import { settingProblem, type StageUnderCheck } from './setting-places.ts';
import { alternatives, nearest } from '../reading/problems.ts';
import { isList, settingAt } from '../reading/nested-settings.ts';

/** Go with DATASETS.TRAIN by position (GLEE's MultiDatasetSampler and DIFFMDAspectRatioGroupedDataset). */
const PARALLEL_LISTS = ['DATASET_RATIO', 'DATASET_BS', 'USE_RFS', 'DATASET_ANN'] as const;

/** GLEE's defaults for the lists above all have this length (projects/GLEE/glee/config.py). */
const DEFAULT_LENGTH = 2;

export function datasetProblems(stage: StageUnderCheck): Problem[] {
  return [
    ...nameProblems(stage, 'DATASETS.TRAIN'),
    ...nameProblems(stage, 'DATASETS.TEST'),
    ...lengthProblems(stage),
  ];
}

function nameProblems({ settings, places, datasets }: StageUnderCheck, key: string): Problem[] {
  const names = settingAt(settings, key);
  const error = (message: string, change: string) =>
    settingProblem(places, { level: 'error', key, message, change });
  if (names === undefined || (isList(names) && names.length === 0)) {
    return key === 'DATASETS.TRAIN' ? [error('names no data set to train on', 'to a list of names')] : [];
  }
  if (!isList(names)) {
    return [
      error(
        `${JSON.stringify(names)} is no list; in GLEE's YAML one name is ("name",)`,
        'to a list of names',
      ),
    ];
  }
  return names
    .filter((name) => !isRegistered(name, datasets))
    .map((name) => {
      const shown = typeof name === 'string' ? name : JSON.stringify(name);
      const known = datasets.unregistered.get(shown);
      const instead = known?.instead ?? nearest(shown, datasets.registered.keys());
      const why = known === undefined ? '' : ` (${known.why})`;
      const change =
        instead.length > 0
          ? `to the list with ${alternatives(instead)} in its place`
          : 'to a list without it';
      return error(`data set '${shown}' is registered nowhere${why}: a KeyError on every rank`, change);
    });
}

function isRegistered(name: ConfigValue, datasets: Datasets): boolean {
  return typeof name === 'string' && datasets.registered.has(name);
}

function lengthProblems({ settings, places }: StageUnderCheck): Problem[] {
  const train = settingAt(settings, 'DATASETS.TRAIN');
  if (!isList(train) || settingAt(settings, 'DATALOADER.SAMPLER_TRAIN') !== 'MultiDatasetSampler') return [];
  return PARALLEL_LISTS.flatMap((name) => {
    const key = `DATALOADER.${name}`;
    const list = settingAt(settings, key);
    const length = isList(list) ? list.length : DEFAULT_LENGTH;
    if (length === train.length) return [];
    const message = `${name} has ${length} entries${list === undefined ? " by GLEE's default" : ''}, DATASETS.TRAIN has ${train.length}; they go together by position`;
    const change = `to a list of ${train.length}`;
    return [settingProblem(places, { level: 'error', key, message, change })];
  });
}
