/** @module Settings of the model that GLEE's code leaves no choice of, from glee/GLEE.py and models/glee_model.py at 6f5a19d. */
import type { ConfigValue, Problem } from '../../contracts/plan.ts';
import { isVideo } from './loader-validations.ts';
import { settingProblem, type StageUnderCheck } from './setting-places.ts';
import { isList, settingAt } from '../reading/nested-settings.ts';

const QUERIES = 'MODEL.MaskDINO.NUM_OBJECT_QUERIES';
/** GLEE.py asserts that each batch has these losses: of nine decoder layers, of the encoder, of boxes and of denoising. */
const NEEDED: readonly (readonly [key: string, fits: (value: ConfigValue) => boolean, change: string])[] = [
  ['MODEL.MaskDINO.DEC_LAYERS', (value) => typeof value !== 'number' || value >= 9, 'to 9'],
  ['MODEL.MaskDINO.DN', (value) => value !== 'no', 'to seg or standard'],
  ['MODEL.MaskDINO.TWO_STAGE', (value) => value !== false, 'to true'],
  ['MODEL.MaskDINO.BOX_LOSS', (value) => value !== false, 'to true'],
  ['MODEL.MaskDINO.DEEP_SUPERVISION', (value) => value !== false, 'to true'],
];
/** The track loss draws its negatives from so many. */
const VIDEO_QUERIES = 300;
/** An evaluation on images takes so many of queries × classes. */
const DETECTIONS = 100;

export function modelProblems({
  settings,
  places,
  evaluatesOnly = false,
}: StageUnderCheck): readonly Problem[] {
  const losses = NEEDED.flatMap(([key, fits, change]) => {
    const value = settingAt(settings, key);
    if (evaluatesOnly || value === undefined || fits(value)) return [];
    const message = `${JSON.stringify(value)} leaves out losses that GLEE asserts in every batch: an AssertionError on every rank`;
    return [settingProblem(places, { level: 'error', key, message, change })];
  });
  const queries = settingAt(settings, QUERIES);
  if (typeof queries !== 'number') return losses;
  const train = settingAt(settings, 'DATASETS.TRAIN');
  const trainsVideo = isList(train) && train.some((name) => typeof name === 'string' && isVideo(name));
  if (!evaluatesOnly && trainsVideo && queries < VIDEO_QUERIES) {
    const message = `the track loss of videos draws from ${VIDEO_QUERIES} queries, and there are ${queries}: an IndexError in training`;
    const change = `to ${VIDEO_QUERIES}`;
    return [...losses, settingProblem(places, { level: 'error', key: QUERIES, message, change })];
  }
  const tested = settingAt(settings, 'DATASETS.TEST');
  if (!isList(tested) || tested.length === 0 || queries >= DETECTIONS) return losses;
  const classes = Math.ceil(DETECTIONS / Math.max(1, queries));
  const message = `an evaluation takes the ${DETECTIONS} best of queries × classes: with ${queries} queries a data set of fewer than ${classes} classes ends it`;
  const change = `to ${DETECTIONS} or more`;
  return [...losses, settingProblem(places, { level: 'warning', key: QUERIES, message, change })];
}
