/** @module Room on a host's disks for what a stage writes there: two checkpoints, the new one beside the one before, and its weights. */
import type { CheckHostInput } from '../../contracts/health.ts';
import type { DiskRoom, PlacedInput } from '../../contracts/training.ts';
import { readHead } from '../checkpoints/head.ts';
import type { ObjectStore } from '../storage/ports/object-store.ts';
import { measureFreeSpace, type HostFolders } from '../training/files/checkpoint-room.ts';
import { failed, passed, type Finding } from './finding.ts';
import { gigabytes } from '../../contracts/sizes.ts';

/** Adam's two moments lie beside each weight. */
const CHECKPOINT_TO_WEIGHTS = 3;

export async function lookForRoom(
  store: ObjectStore,
  folders: HostFolders,
  input: CheckHostInput,
): Promise<Finding> {
  const placed = input.placed ?? NOTHING;
  const [disks, checkpoint] = await Promise.all([
    measureFreeSpace(folders, placed),
    checkpointBytes(store, input, placed),
  ]);
  const [scratch, ...others] = disks;
  if (scratch === undefined) return failed('the disks could not be measured');
  const needed = { ...scratch, neededBytes: scratch.neededBytes + 2 * checkpoint.bytes };
  const full = [needed, ...others].filter(({ freeBytes, neededBytes }) => neededBytes > freeBytes);
  const why = `two checkpoints ${checkpoint.said}`;
  if (full.length > 0) return failed(`${full.map(describe).join('; ')} (${why}): free some`);
  return passed(`${describe(needed)} (${why})`);
}

/** A stage's weights that the checkout has already. */
const NOTHING: PlacedInput = {
  weights: { kind: 'checkout', path: '', sha256: '', sizeBytes: 0 },
  files: [],
};

interface CheckpointSize {
  readonly bytes: number;
  readonly said: string;
}

async function checkpointBytes(
  store: ObjectStore,
  { run, plan }: CheckHostInput,
  { weights }: PlacedInput,
): Promise<CheckpointSize> {
  // Without S3 the attempt does not begin; that is not the disk's matter.
  const head = await readHead(store, { run, stage: plan.stage }).catch(() => undefined);
  const last = head?.checkpoint?.file.sizeBytes;
  if (last !== undefined) return { bytes: last, said: `of ${gigabytes(last)}, as the last one` };
  const own = weights.kind === 'artifact' ? weights.artifact.sizeBytes : weights.sizeBytes;
  const known = plan.weights.kind === 'checkout' ? plan.weights.sizeBytes : 0;
  const bytes = CHECKPOINT_TO_WEIGHTS * Math.max(own, known);
  return { bytes, said: bytes === 0 ? 'of a size that no one knows yet' : `of some ${gigabytes(bytes)}` };
}

function describe({ path, freeBytes, neededBytes }: DiskRoom): string {
  return `${gigabytes(freeBytes)} free at ${path}, ${gigabytes(neededBytes)} needed`;
}
