/** @module Whether the data sets of a stage are on this host: annotations, and a sample of the images that they name. */
import { opendir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { loadDatasets, withDeclared, type Dataset } from '../../planning/glee/dataset-catalog.ts';
import { decodeSettings, readGleeConfig } from '../../planning/glee/glee-config.ts';
import { ConfigError } from '../../planning/reading/problems.ts';
import { isList, mergeSettings, settingAt } from '../../planning/reading/nested-settings.ts';
import type { StagePlan } from '../../contracts/plan.ts';
import { isNotFound } from '../files/atomic-files.ts';
import { sampleAnnotations, type Annotations } from './annotations.ts';
import { failed, passed, skipped, type Finding } from './finding.ts';
import { keep, readKept } from './kept-findings.ts';
import { messageOf } from '../../contracts/error-message.ts';

const FILE = 'annotations.json';

const provenSchema = z.record(
  z.string(),
  z.object({
    size: z.number(),
    mtimeMs: z.number(),
    images: z.array(z.string()),
    urls: z.array(z.string()),
  }),
);
type Proven = z.infer<typeof provenSchema>;

export interface DataHost {
  readonly scratch: string;
  readonly checkout: string;
  readonly datasets: string;
  /** Its data sets are made up, and have no images. */
  readonly pretend: boolean;
}

export async function lookForData(host: DataHost, plan: StagePlan): Promise<Finding> {
  const names = await datasetsOf(host.checkout, plan).catch((error: unknown) => {
    if (error instanceof ConfigError) return error;
    throw error;
  });
  if (names instanceof ConfigError) return failed(`${host.checkout}: ${names.message}`);
  const { registered } = withDeclared(await loadDatasets(), plan.datasets ?? []);
  const known = names.flatMap((name) => {
    const dataset = registered.get(name);
    return dataset === undefined ? [] : [{ name, dataset }];
  });
  const unknown = names.filter((name) => !registered.has(name));
  const notKnown =
    unknown.length === 0 ? '' : `; not checked, because their paths are unknown: ${unknown.join(', ')}`;
  if (known.length === 0) return skipped(`no data set to look at${notKnown}`);
  const proven = (await readKept(host.scratch, FILE, provenSchema)) ?? {};
  const looks = await Promise.all(known.map((one) => lookAt(host, one.name, one.dataset, proven)));
  await keep(host.scratch, FILE, { ...proven, ...Object.assign({}, ...looks.map((look) => look.proven)) });
  const problems = looks.flatMap(({ problem }) => problem ?? []);
  if (problems.length > 0) return failed(`${problems.join('; ')}${notKnown}`);
  const sampled = looks.reduce((sum, { sampled }) => sum + sampled, 0);
  const images = host.pretend ? 'images are pretended' : `${sampled} of their images sampled`;
  return passed(`${known.length} data sets in ${host.datasets}, ${images}${notKnown}`);
}

async function datasetsOf(
  checkout: string,
  { configFile, overrides }: StagePlan,
): Promise<readonly string[]> {
  const settings = mergeSettings(await readGleeConfig(checkout, configFile), decodeSettings(overrides));
  const names = ['DATASETS.TRAIN', 'DATASETS.TEST'].flatMap((key) => {
    const list = settingAt(settings, key);
    return isList(list) ? list.filter((name) => typeof name === 'string') : [];
  });
  return [...new Set(names)];
}

interface DatasetLook {
  readonly problem?: string;
  readonly sampled: number;
  readonly proven: Proven;
}

async function lookAt(host: DataHost, name: string, dataset: Dataset, before: Proven): Promise<DatasetLook> {
  const path = join(host.datasets, dataset.annotations);
  const unfit = (problem: string): DatasetLook => ({
    problem: `${name}: ${problem}`,
    sampled: 0,
    proven: {},
  });
  try {
    const { size, mtimeMs } = await stat(path);
    const known = before[path];
    const fresh = known?.size !== size || known.mtimeMs !== mtimeMs;
    const annotations: Annotations = fresh ? await sampleAnnotations(path) : known;
    const { problem, remedy = 'fetch it again', images, urls } = annotations;
    if (problem !== undefined) return unfit(`${path}: ${problem}; ${remedy}`);
    const proven = { [path]: { size, mtimeMs, images: [...images], urls: [...urls] } };
    if (host.pretend) return { sampled: 0, proven };
    const folder = join(host.datasets, dataset.images);
    const wrong = await imageProblem(folder, annotations);
    return wrong === undefined ? { sampled: images.length || urls.length, proven } : unfit(wrong);
  } catch (error) {
    if (isNotFound(error)) return unfit(`${path} is not there; put it there, or mend DETECTRON2_DATASETS`);
    return unfit(`${path} cannot be read: ${messageOf(error)}`);
  }
}

async function imageProblem(folder: string, { images, urls }: Annotations): Promise<string | undefined> {
  if (await isEmpty(folder)) return `${folder} has no images; put them there, or mend DETECTRON2_DATASETS`;
  const missing = await missingOf(folder, images);
  const byUrl = urls.map((url) => url.split('/').slice(-2).join('/'));
  // LVIS's loader goes by the address that an image came from, and some of its files have a name beside it.
  const lacking =
    missing.length === images.length && byUrl.length > 0 ? await missingOf(folder, byUrl) : missing;
  const [first] = lacking;
  if (first === undefined) return undefined;
  const sampled = lacking === missing ? images.length : byUrl.length;
  return `${lacking.length} of ${sampled} sampled images are not there, as ${join(folder, first)}; fetch the images again`;
}

async function missingOf(folder: string, images: readonly string[]): Promise<readonly string[]> {
  const there = await Promise.all(
    images.map(async (image) => (await stat(join(folder, image)).catch(() => undefined))?.isFile() === true),
  );
  return images.filter((_, index) => !there[index]);
}

/** Reads one entry: some of the folders hold millions. */
async function isEmpty(folder: string): Promise<boolean> {
  try {
    const directory = await opendir(folder);
    for await (const _ of directory) return false;
    return true;
  } catch (error) {
    if (isNotFound(error)) return true;
    throw error;
  }
}
