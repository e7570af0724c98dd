/**
 * @module The data sets that a plan declares, as trainer/declared_datasets.py reads them: a file in the job folder, written
 * before the trainer is launched.
 */
import { join } from 'node:path';
import type { StagePlan } from '../../../contracts/plan.ts';
import { writeFileAtomically } from '../../files/atomic-files.ts';
import type { Job } from '../jobs/job.ts';

type JobFolder = Pick<Job, 'folder'>;

interface Declaring {
  readonly datasets?: StagePlan['datasets'] | undefined;
}

export async function writeDeclaredDatasets(job: JobFolder, { datasets = [] }: Declaring): Promise<void> {
  if (datasets.length > 0) await writeFileAtomically(fileOf(job), JSON.stringify(datasets));
}

/** What the companion is told through the trainer's environment. */
export function datasetVariables(job: JobFolder, { datasets = [] }: Declaring): Record<string, string> {
  return datasets.length > 0 ? { GLEE_DATASETS_FILE: fileOf(job) } : {};
}

function fileOf({ folder }: JobFolder): string {
  return join(folder, 'datasets.json');
}
