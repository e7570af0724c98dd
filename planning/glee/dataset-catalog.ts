/** @module The data sets that GLEE registers, and the names in its configs that no one does. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { DatasetPlan } from '../../contracts/datasets.ts';
import { packageRoot } from '../environment/package-root.ts';
import { parseYamlFile } from '../reading/yaml-source.ts';

const fileSchema = z.strictObject({
  registered: z.record(
    z.string(),
    z.record(z.string(), z.strictObject({ annotations: z.string(), images: z.string() })),
  ),
  unregistered: z.record(z.string(), z.strictObject({ instead: z.array(z.string()), why: z.string() })),
});

/** Paths relative to `DETECTRON2_DATASETS`. */
export interface Dataset {
  readonly annotations: string;
  readonly images: string;
}

export interface Datasets {
  readonly registered: ReadonlyMap<string, Dataset>;
  /** Names that GLEE's configs use and no one registers, with what to take instead. */
  readonly unregistered: ReadonlyMap<string, { readonly instead: readonly string[]; readonly why: string }>;
}

/** Reads `configs/datasets.yaml`. */
export async function loadDatasets(): Promise<Datasets> {
  const text = await readFile(join(packageRoot, 'configs/datasets.yaml'), 'utf8');
  const { registered, unregistered } = fileSchema.parse(parseYamlFile('configs/datasets.yaml', text));
  return {
    registered: new Map(Object.values(registered).flatMap((group) => Object.entries(group))),
    unregistered: new Map(Object.entries(unregistered)),
  };
}

/** Those and what the companion registers. */
export function withDeclared(datasets: Datasets, declared: readonly DatasetPlan[]): Datasets {
  if (declared.length === 0) return datasets;
  const more = declared.map(({ name, annotations, images }) => [name, { annotations, images }] as const);
  return { ...datasets, registered: new Map([...datasets.registered, ...more]) };
}
