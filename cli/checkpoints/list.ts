/**
 * @module `glee checkpoints list`: what S3 has, what keeps it, and what it cost.
 */
import Table from 'cli-table3';
import { idOf } from '../../activities/checkpoints/retention.ts';
import { isEvaluationMark } from '../../activities/checkpoints/evaluation-pins.ts';
import { PEOPLE } from '../../activities/checkpoints/pins.ts';
import { takeSnapshot, type StageSnapshot } from '../../activities/checkpoints/snapshot.ts';
import type { Checkpoint } from '../../contracts/checkpoints.ts';
import { print, type OutputOptions } from '../shared/output.ts';
import { withBucket } from '../shared/open-bucket.ts';
import { sizeText } from '../../contracts/sizes.ts';
import { refOf, stagesOf } from './stages.ts';

export interface Listed extends Checkpoint {
  /** As `newest`, `final`, `pinned`, or the id of a run that began from it. */
  readonly marks: readonly string[];
}

export async function list(of: string | undefined, options: OutputOptions): Promise<void> {
  await withBucket(async (bucket, signal) => {
    const stages = await stagesOf(bucket, of, signal);
    const found = await Promise.all(stages.map((stage) => takeSnapshot(bucket, stage, signal)));
    print(found.flatMap(listed), options, render);
  });
}

export function listed(snapshot: StageSnapshot): readonly Listed[] {
  const { checkpoints, head, pins } = snapshot;
  const newest = head?.checkpoint;
  return checkpoints.map((checkpoint) => ({
    ...checkpoint,
    marks: [
      ...(newest !== null && newest !== undefined && idOf(newest) === idOf(checkpoint) ? ['newest'] : []),
      ...(checkpoint.final ? ['final'] : []),
      ...pins.flatMap((pin) => (idOf(pin) === idOf(checkpoint) ? [pinText(pin.by)] : [])),
    ],
  }));
}

function pinText(by: string): string {
  if (by === PEOPLE) return 'pinned';
  return isEvaluationMark(by) ? 'being evaluated' : `start of ${by}`;
}

function render(checkpoints: readonly Listed[]): string {
  if (checkpoints.length === 0) return 'no checkpoints in S3 yet';
  const rows = new Table({
    head: ['checkpoint', 'saved', 'size', 'stall', 'save', 'upload', 'commit', 'restore', 'kept as'],
    colAligns: ['left', 'left', 'right', 'right', 'right', 'right', 'right', 'right', 'left'],
    style: { head: [], border: [] },
  });
  for (const checkpoint of checkpoints) {
    const { savedAt, file, times = {}, marks } = checkpoint;
    rows.push([
      refOf(checkpoint),
      new Date(savedAt).toLocaleString('sv-SE'),
      sizeText(file.sizeBytes),
      seconds(times.stall),
      seconds(times.save),
      seconds(times.upload),
      seconds(times.commit),
      seconds(times.restores?.at(-1)?.seconds),
      marks.join(', '),
    ]);
  }
  return rows.toString();
}

/** `0.32 s`, or nothing where no one measured. */
export function seconds(value: number | undefined): string {
  return value === undefined ? '' : `${String(Number(value.toPrecision(2)))} s`;
}
