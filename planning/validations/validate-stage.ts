/**
 * @module Settings of GLEE that stop a training only after all ranks have started, found beforehand.
 *
 * Pure: a stage's settings in, problems out. Each says what to change, and where.
 */
import type { Problem } from '../../contracts/plan.ts';
import { datasetProblems } from './dataset-validations.ts';
import { loaderProblems } from './loader-validations.ts';
import { modelProblems } from './model-validations.ts';
import type { StageUnderCheck } from './setting-places.ts';
import { batchProblems, scheduleProblems } from './schedule-validations.ts';

/** All problems in one stage's settings. */
export function validateStage(stage: StageUnderCheck): readonly Problem[] {
  return [
    ...batchProblems(stage),
    ...scheduleProblems(stage),
    ...datasetProblems(stage),
    ...loaderProblems(stage),
    ...modelProblems(stage),
  ];
}
