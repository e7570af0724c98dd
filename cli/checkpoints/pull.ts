/** @module `glee checkpoints pull`: a checkpoint into a file on this machine. */
import { resolve } from 'node:path';
import { print, type OutputOptions } from '../shared/output.ts';
import { withBucket } from '../shared/open-bucket.ts';
import { copyProgress } from '../weights/progress.ts';
import { sizeText } from '../../contracts/sizes.ts';
import { mustFind, refOf } from './stages.ts';

export async function pull(ref: string, file: string | undefined, options: OutputOptions): Promise<void> {
  await withBucket(async (bucket, signal) => {
    const found = await mustFind(bucket, ref, signal);
    const path = resolve(file ?? found.name);
    const progress = await copyProgress(found.file.sizeBytes);
    try {
      const onProgress = progress.update;
      await bucket.store.download({ ...found.file, fullKey: found.file.key }, path, signal, { onProgress });
    } finally {
      progress.clear();
    }
    const done = { checkpoint: refOf(found), file: path, ...found.file };
    print(
      done,
      options,
      ({ checkpoint, sizeBytes, sha256 }) =>
        `${path}: ${checkpoint}, ${sizeText(sizeBytes)}, sha256 ${sha256}`,
    );
  });
}
