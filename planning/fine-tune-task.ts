/** @module What a fine-tune's task comes to: GLEE's config, the data sets to register, and what to evaluate. */
import type { DatasetPlan } from '../contracts/datasets.ts';
import type { Variant } from '../contracts/plan.ts';
import type { Dataset } from './glee/dataset-catalog.ts';
import type { FineTuneConfig, OwnDataset } from './schemas/fine-tune-schema.ts';
import { gleeConfigFile } from './glee/glee-stages.ts';
import { VIDEO_TASKS, videoConfigFile, videoTasksOf, videoTestDataset } from './glee/glee-videos.ts';
import { loadOdinw, type OdinwDataset } from './glee/odinw.ts';
import { alternatives, didYouMean } from './reading/problems.ts';

export interface FineTuneTask {
  /** `odinw/Rabbits`, `video/ytvis19`, or `coco/<name>`. */
  readonly task: string;
  /** GLEE's config, relative to the checkout. */
  readonly configFile: string;
  readonly declared: readonly DatasetPlan[];
  /** What DATASETS.TEST names by default. */
  readonly test: readonly string[];
  /** For a task on images, whose settings are made up; a video task has GLEE's own. */
  readonly images?: { readonly train: string; readonly count: number | undefined };
  /** Figure that the best checkpoint is chosen by; undefined where GLEE prints none. */
  readonly metric: string | undefined;
}

/** Why the task can't be, and the key that says so. */
export interface TaskProblem {
  readonly key: string;
  readonly message: string;
}

type FewShot = FineTuneConfig['fewShot'];

export async function resolveTask(config: FineTuneConfig): Promise<FineTuneTask | TaskProblem> {
  const { task, variant, fewShot } = config;
  if (typeof task !== 'string') return ownTask(task.coco, variant, fewShot);
  const name = task.slice(task.indexOf('/') + 1);
  if (!task.startsWith('video/')) return odinwTask(name, variant, fewShot);
  if (fewShot === undefined) return videoTask(name, variant);
  return { key: 'fewShot', message: 'a few images of each category there are for tasks on images alone' };
}

function videoTask(name: string, variant: Variant): FineTuneTask | TaskProblem {
  const task = VIDEO_TASKS.find((one) => one === name);
  const configFile = task && videoConfigFile(variant, task);
  if (task === undefined || configFile === undefined) {
    const all = videoTasksOf(variant);
    const guess = task === undefined ? didYouMean(name, all) : '';
    const message = `GLEE-${variant} has no config for 'video/${name}'${guess} (there are ${alternatives(all)})`;
    return { key: 'task', message };
  }
  // The predictions are judged elsewhere: GLEE's YTVISEvaluator writes them down and computes nothing.
  const test = [videoTestDataset(task)];
  return { task: `video/${task}`, configFile, declared: [], test, metric: undefined };
}

async function odinwTask(
  name: string,
  variant: Variant,
  fewShot: FewShot,
): Promise<FineTuneTask | TaskProblem> {
  const all = await loadOdinw();
  const dataset = all.get(name);
  if (dataset === undefined) return { key: 'task', message: unknownOdinw(name, all) };
  const { task, known, train, validation, categories } = dataset;
  const names = { train: `${task}_train`, test: known ? task : `${task}_val` };
  const declared = [
    { name: names.train, ...train, task, ...(fewShot && { fewShot }) },
    // GLEE has registered the thirteen's.
    ...(known ? [] : [{ name: names.test, ...validation, task }]),
  ];
  const count = fewShot ? Math.min(dataset.images, fewShot.shots * categories) : dataset.images;
  return onImages(`odinw/${name}`, variant, declared, names, count);
}

function unknownOdinw(name: string, all: ReadonlyMap<string, OdinwDataset>): string {
  // As its archive is called, or as others write it.
  const folders = [...all.values()].filter(({ folder }) => folder.toLowerCase() === name.toLowerCase());
  const guess =
    folders.length > 0
      ? `; here it is called ${alternatives(folders.map((one) => `'${one.name}'`))}`
      : didYouMean(name, all.keys());
  return `ODinW has no data set '${name}'${guess} (configs/odinw.yaml has all ${all.size})`;
}

function ownTask(own: OwnDataset, variant: Variant, fewShot: FewShot): FineTuneTask {
  // No name of GLEE's begins so. By 'odinw' in a name its evaluator knows boxes without masks.
  const task = `own_${own.masks ? '' : 'odinw_'}${own.name}`;
  const names = { train: `${task}_train`, test: `${task}_val` };
  const words = own.words && { words: own.words };
  const split = ({ annotations, images }: Dataset) => ({ annotations, images, task, ...words });
  const declared = [
    { name: names.train, ...split(own), ...(fewShot && { fewShot }) },
    { name: names.test, ...split(own.validation) },
  ];
  return onImages(`coco/${own.name}`, variant, declared, names, fewShot ? undefined : own.trainImages);
}

function onImages(
  task: string,
  variant: Variant,
  declared: readonly DatasetPlan[],
  names: { readonly train: string; readonly test: string },
  count: number | undefined,
): FineTuneTask {
  const configFile = gleeConfigFile(variant, 'stage2');
  const images = { train: names.train, count };
  return { task, configFile, declared, test: [names.test], images, metric: 'bbox/AP' };
}
