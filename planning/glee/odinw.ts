/** @module The data sets of ODinW: where each lies, under what names it is known to GLEE, and how large it is. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Dataset } from './dataset-catalog.ts';
import { packageRoot } from '../environment/package-root.ts';
import { parseYamlFile } from '../reading/yaml-source.ts';

/** Below DETECTRON2_DATASETS. */
const ROOT = 'odinw/dataset';

const entrySchema = z.strictObject({
  path: z.string(),
  train: z.string().default('train'),
  validation: z.string().default('valid'),
  flat: z.boolean().default(false),
  images: z.int(),
  categories: z.int(),
});
const fileSchema = z.strictObject({
  subset13: z.record(z.string(), entrySchema),
  others: z.record(z.string(), entrySchema),
});

export interface OdinwDataset {
  /** As a task names it: `Rabbits`. */
  readonly name: string;
  /** What GLEE takes the task from: `odinw13_Rabbits`, or `odinw35_BCCD` for those that GLEE does not have. */
  readonly task: string;
  /** One of the thirteen whose validation splits, and words, GLEE has by itself. */
  readonly known: boolean;
  /** First folder of the path, as ODinW's archives are called. */
  readonly folder: string;
  readonly train: Dataset;
  readonly validation: Dataset;
  /** In the training split, about. */
  readonly images: number;
  readonly categories: number;
}

/** All 35, by name; the subset of 13 first. */
export async function loadOdinw(): Promise<ReadonlyMap<string, OdinwDataset>> {
  const text = await readFile(join(packageRoot, 'configs/odinw.yaml'), 'utf8');
  const { subset13, others } = fileSchema.parse(parseYamlFile('configs/odinw.yaml', text));
  const all = [
    ...Object.entries(subset13).map(([name, entry]) => datasetOf(name, entry, true)),
    ...Object.entries(others).map(([name, entry]) => datasetOf(name, entry, false)),
  ];
  return new Map(all.map((dataset) => [dataset.name, dataset]));
}

function datasetOf(name: string, entry: z.output<typeof entrySchema>, known: boolean): OdinwDataset {
  const { path, flat, images, categories } = entry;
  const split = (folder: string, prefix: string): Dataset => {
    const at = `${ROOT}/${path}${flat ? '' : `/${folder}`}`;
    return {
      annotations: `${at}/${flat ? `${prefix}_` : ''}annotations_without_background.json`,
      images: at,
    };
  };
  return {
    name,
    task: `${known ? 'odinw13' : 'odinw35'}_${name}`,
    known,
    folder: path.split('/')[0] ?? path,
    train: split(entry.train, 'train'),
    validation: split(entry.validation, 'val'),
    images,
    categories,
  };
}
