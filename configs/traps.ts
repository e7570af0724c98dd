/**
 * @module The traps in GLEE's settings that stop a training only after all ranks have started, found beforehand.
 *
 * Pure: a stage's settings in, problems out. Each says what to change, and where.
 */
import type { Problem } from '../contracts/plan.ts';
import { datasetTraps } from './dataset-traps.ts';
import { loaderTraps } from './loader-traps.ts';
import { modelTraps } from './model-traps.ts';
import type { StageUnderCheck } from './places.ts';
import { batchTraps, scheduleTraps } from './schedule-traps.ts';

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
