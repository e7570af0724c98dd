/**
 * @module The traps in GLEE's settings that stop a training only after all ranks have started, found beforehand.
 *
 * Pure: a stage's settings in, problems out. Each says what to change, and where.
 */
import type { Problem } from '../../contracts/plan.ts';
import { datasetTraps } from './dataset-validations.ts';
import { loaderTraps } from './loader-validations.ts';
import { modelTraps } from './model-validations.ts';
import type { StageUnderCheck } from './setting-places.ts';
import { batchTraps, scheduleTraps } from './schedule-validations.ts';

/** All traps in one stage's settings. */
export function findTraps(stage: StageUnderCheck): readonly Problem[] {
  return [
    ...batchTraps(stage),
    ...scheduleTraps(stage),
    ...datasetTraps(stage),
    ...loaderTraps(stage),
    ...modelTraps(stage),
  ];
}
