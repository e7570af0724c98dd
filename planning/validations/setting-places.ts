/** @module A stage's settings under check: where each stands, in the user's config or in GLEE's, and where to change it. */
import type { Gang, Overrides, Problem, StageName } from '../../contracts/plan.ts';
import type { Datasets } from '../glee/dataset-catalog.ts';
import { settingAt, type Settings } from '../reading/nested-settings.ts';

export interface StageUnderCheck {
  /** GLEE's settings with the overrides laid over them. */
  readonly settings: Settings;
  readonly gang: Gang;
  readonly places: StagePlaces;
  readonly datasets: Datasets;
  /** What stops a training alone is no problem. */
  readonly evaluatesOnly?: boolean | undefined;
}

/** The files and overrides that a stage's settings come from. */
export interface StagePlaces {
  readonly stage: StageName;
  /** Before the stage's own keys in the user's config: `stages.stage1.`, or nothing. */
  readonly at: string;
  /** The user's config, as problems name it. */
  readonly file: string;
  /** The GLEE config, relative to the checkout. */
  readonly gleeFile: string;
  readonly ownOverrides: Overrides;
  readonly sharedOverrides: Overrides;
}

export interface SettingProblem {
  readonly level: Problem['level'];
  /** The GLEE setting, as `SOLVER.IMS_PER_BATCH`. */
  readonly key: string;
  readonly message: string;
  /** What to set it to, as `to 64 or 128`. */
  readonly change: string;
}

/** A problem with a GLEE setting, at the place where its value stands. */
export function settingProblem(
  places: StagePlaces,
  { level, key, message, change }: SettingProblem,
): Problem {
  const ownKey = `${places.at}overrides.${key}`;
  const isOwn = settingAt(places.ownOverrides, key) !== undefined;
  if (isOwn || settingAt(places.sharedOverrides, key) !== undefined) {
    const text = `${places.stage}: ${message}. Set it ${change}`;
    return { level, file: places.file, key: isOwn ? ownKey : `overrides.${key}`, message: text };
  }
  const text = `${places.stage}: ${message}. Set ${ownKey} in ${places.file} ${change}`;
  return { level, file: places.gleeFile, key, message: text };
}
