/** @module Which stages and checkpoints a command is about. */
import { findCheckpoint } from '../../activities/checkpoints/find.ts';
import type { StageKey } from '../../activities/checkpoints/snapshot.ts';
import type { Bucket } from '../../activities/storage/bucket.ts';
import {
  describeRef,
  parseCheckpointRef,
  type Checkpoint,
  type CheckpointRef,
} from '../../contracts/checkpoints.ts';
import { runIdProblem } from '../../contracts/ids.ts';
import { UserError } from '../shared/errors.ts';

/**
 * Stages that have something in S3: of all runs, of one, or one.
 * @throws UserError where there is none.
 */
export async function stagesOf(
  bucket: Bucket,
  of: string | undefined,
  signal: AbortSignal,
): Promise<readonly StageKey[]> {
  const [run, stage] = of?.split('/') ?? [];
  if (run !== undefined && runIdProblem(run) !== undefined) throw new UserError(`'${run}' is not a run id`);
  const runs = run === undefined ? await folders(bucket, 'runs/', signal) : [run];
  const stages = await Promise.all(
    runs.map(async (name) =>
      (await folders(bucket, `runs/${name}/`, signal)).map((folder) => ({ run: name, stage: folder })),
    ),
  );
  const found = stages.flat().filter((one) => stage === undefined || one.stage === stage);
  if (of !== undefined && found.length === 0) throw new UserError(`S3 has no checkpoints of '${of}'`);
  return found;
}

async function folders({ objects }: Bucket, folder: string, signal: AbortSignal): Promise<readonly string[]> {
  const names = await objects.list(folder, signal);
  return names.flatMap((name) => (name.endsWith('/') ? [name.slice(folder.length, -1)] : []));
}

/** @throws UserError with the form that names one. */
export function mustBeRef(text: string): CheckpointRef {
  const ref = parseCheckpointRef(text);
  if (ref !== undefined) return ref;
  throw new UserError(
    `'${text}' names no checkpoint: write run/stage@iterations, as lite-1/stage1@50000, or @final or @newest`,
  );
}

/** @throws UserError where there is no such checkpoint. */
export async function mustFind(bucket: Bucket, text: string, signal: AbortSignal): Promise<Checkpoint> {
  const ref = mustBeRef(text);
  const found = await findCheckpoint(bucket, ref, signal);
  if (found !== undefined) return found;
  throw new UserError(
    `S3 has no checkpoint ${describeRef(ref)}: 'glee checkpoints list ${ref.run}' shows those that there are`,
  );
}

export function refOf({ run, stage, iterations, final }: Checkpoint): string {
  return describeRef({ run, stage, which: final ? 'final' : iterations });
}
