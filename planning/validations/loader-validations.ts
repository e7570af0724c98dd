/**
 * @module Data sets whose reader GLEE's train_net.py chooses wrongly: it goes by parts of names, and some names lack them.
 *
 * From projects/GLEE/train_net.py and glee/data at GLEE 6f5a19d. A video whose frames an image reader is to open ends in
 * `KeyError: 'file_name'` or `AssertionError: choice_by_clip` on every rank.
 */
import type { Problem } from '../../contracts/plan.ts';
import { settingProblem, type StageUnderCheck } from './setting-places.ts';
import { isList, settingAt, type Settings } from '../reading/nested-settings.ts';

/** Registered with frames of videos, by register_ytvis_instances and its like. */
const VIDEO =
  /^(ytvis_|ovis_|lvvis_|UVO_dense_video_|BURST_video_|TAO_video_|rvos-|bdd_(box|seg)_track_|ytbvos18_|mose_)/;
/** What train_net.py takes for a video. */
const TRAINED_AS_VIDEO = /ytvis|ovis|video|rvos/;
const TESTED_AS_VIDEO = /ytvis|ovis|video|rvos|ytbvos|lvvis/;
/** Videos that UnivideoimageDatasetMapper takes for images. */
const MIXED_AS_IMAGES = /^(lvvis_|TAO_video_)/;
/** Registered without an evaluator. */
const NOT_EVALUATED = /^(vg_|grit_)/;

/** Whether the data set holds videos. */
export function isVideo(name: string): boolean {
  return VIDEO.test(name);
}

export function loaderProblems(stage: StageUnderCheck): readonly Problem[] {
  const { settings, evaluatesOnly = false } = stage;
  if (evaluatesOnly) return testProblems(stage);
  const mixed = settingAt(settings, 'DATALOADER.SAMPLER_TRAIN') === 'MultiDatasetSampler';
  return [...(mixed ? mixedProblems(stage) : singleProblems(stage)), ...testProblems(stage)];
}

/** The reader of one data set. */
function singleProblems({ settings, places }: StageUnderCheck): readonly Problem[] {
  const [first, ...others] = namesAt(settings, 'DATASETS.TRAIN');
  if (first === undefined) return [];
  const key = 'DATASETS.TRAIN';
  const ignored = settingProblem(places, {
    level: 'warning',
    key,
    message: `GLEE trains on '${first}' alone: without DATALOADER.SAMPLER_TRAIN: MultiDatasetSampler it takes the first data set only`,
    change: 'to one data set',
  });
  const problems = others.length > 0 ? [ignored] : [];
  const clips = settingAt(settings, 'MODEL.PSEUDO_VIDEO') !== true && TRAINED_AS_VIDEO.test(first);
  if (isVideo(first) && !clips) return [...problems, videoProblem(places, first)];
  if (!isVideo(first) && isClipped(settings) && !clips) {
    const message = `'choice_by_clip' is for videos, and '${first}' has images: an AssertionError on every rank`;
    const sampling = 'INPUT.MIN_SIZE_TRAIN_SAMPLING';
    return [
      ...problems,
      settingProblem(places, { level: 'error', key: sampling, message, change: 'to choice' }),
    ];
  }
  return problems;
}

function videoProblem(places: StageUnderCheck['places'], name: string): Problem {
  const message =
    `this GLEE can't train on '${name}': train_net.py reads as videos only what has ytvis, ovis, video or rvos in its ` +
    `name, and takes its videos for images. It can be evaluated on: 'glee evaluate'`;
  return settingProblem(places, {
    ...{ level: 'error', key: 'DATASETS.TRAIN', message },
    change: 'to a data set that it trains on, as ytvis_2019_train',
  });
}

/** The reader of several data sets. */
function mixedProblems({ settings, places }: StageUnderCheck): readonly Problem[] {
  const pseudo = settingAt(settings, 'MODEL.PSEUDO_VIDEO') === true;
  if (pseudo || settingAt(settings, 'INPUT.DATASET_MAPPER_NAME') === 'coco_instance_lsj') return [];
  return namesAt(settings, 'DATASETS.TRAIN')
    .filter((name) => MIXED_AS_IMAGES.test(name))
    .map((name) => videoProblem(places, name));
}

function testProblems({ settings, places }: StageUnderCheck): readonly Problem[] {
  return namesAt(settings, 'DATASETS.TEST').flatMap((name) => {
    const why = NOT_EVALUATED.test(name)
      ? 'it is registered without an evaluator'
      : isVideo(name) && !TESTED_AS_VIDEO.test(name)
        ? 'train_net.py takes its videos for images'
        : undefined;
    if (why === undefined) return [];
    const message = `this GLEE can't evaluate on '${name}': ${why}`;
    return [
      settingProblem(places, {
        level: 'error',
        key: 'DATASETS.TEST',
        message,
        change: 'to a list without it',
      }),
    ];
  });
}

function isClipped(settings: Settings): boolean {
  const lsj = settingAt(settings, 'INPUT.DATASET_MAPPER_NAME') === 'coco_instance_lsj';
  const pseudo = settingAt(settings, 'MODEL.PSEUDO_VIDEO') === true;
  return !lsj && !pseudo && settingAt(settings, 'INPUT.MIN_SIZE_TRAIN_SAMPLING') === 'choice_by_clip';
}

function namesAt(settings: Settings, key: string): readonly string[] {
  const names = settingAt(settings, key);
  return isList(names) ? names.filter((name) => typeof name === 'string') : [];
}
