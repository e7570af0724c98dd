/** @module The files of an evaluation follow its record into S3: of videos they are all that it leaves. */
import { log } from '@temporalio/activity';
import { lstat, readdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { EvaluationFile, EvaluationTask } from '../../../contracts/evaluation.ts';
import { keys } from '../../../contracts/ids.ts';
import { isNotFound } from '../../files/atomic-files.ts';
import type { ObjectStore } from '../../storage/ports/object-store.ts';
import { evaluationName } from './evaluation-name.ts';

/** A file a data set and kind, with room for a fork's own. */
const MAX_FILES = 1000;
/** COCO's raw predictions with masks take gigabytes. */
const MAX_BYTES = 256 * 2 ** 30;

/** Uploads all regular files below `inference/`, up to what is sane; a link leads elsewhere, and is left. */
export async function keepEvaluationFiles(
  store: ObjectStore,
  task: Pick<EvaluationTask, 'run' | 'stage' | 'iterations' | 'inputs'>,
  output: string,
  signal: AbortSignal,
): Promise<readonly EvaluationFile[]> {
  const name = evaluationName(task);
  const kept: EvaluationFile[] = [];
  let bytes = 0;
  for (const path of await filesBelow(output, 'inference')) {
    const { size } = await lstat(join(output, path));
    bytes += size;
    if (kept.length === MAX_FILES || bytes > MAX_BYTES) {
      log.warn('the evaluation has written more than is kept', { run: task.run, name, from: path });
      break;
    }
    const to = keys.evaluationFile(task.run, task.stage, name, path);
    const { sha256, sizeBytes } = await store.upload(to, join(output, path), signal);
    kept.push({ path, bucket: store.bucket, key: store.keyOf(to), sha256, sizeBytes });
  }
  return kept;
}

async function filesBelow(output: string, folder: string): Promise<readonly string[]> {
  const entries = await readdir(join(output, folder), { recursive: true, withFileTypes: true }).catch(
    (error: unknown) => {
      if (isNotFound(error)) return [];
      throw error;
    },
  );
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(output, join(entry.parentPath, entry.name)))
    .sort();
}
