/** @module `glee checkpoints pin` and `unpin`. */
import { PEOPLE, pin, unpin } from '../../activities/checkpoints/pins.ts';
import { UserError } from '../shared/errors.ts';
import { print, type OutputOptions } from '../shared/output.ts';
import { withBucket } from '../shared/open-bucket.ts';
import { mustFind, refOf } from './stages.ts';

export async function pinOne(ref: string, options: OutputOptions): Promise<void> {
  await withBucket(async (bucket, signal) => {
    const found = await mustFind(bucket, ref, signal);
    if (!(await pin(bucket, found, PEOPLE, signal))) {
      throw new UserError(`${refOf(found)} has no manifest (any more), so it cannot be pinned`);
    }
    const done = { checkpoint: refOf(found), pinned: true };
    print(done, options, ({ checkpoint }) => `${checkpoint} stays until it is unpinned`);
  });
}

export async function unpinOne(
  ref: string,
  { by = PEOPLE, ...options }: OutputOptions & { readonly by?: string },
): Promise<void> {
  await withBucket(async (bucket, signal) => {
    const found = await mustFind(bucket, ref, signal);
    await unpin(bucket, found, by, signal);
    const done = { checkpoint: refOf(found), pinned: false };
    print(
      done,
      options,
      ({ checkpoint }) => `${checkpoint} is no longer pinned${by === PEOPLE ? '' : ` by ${by}`}`,
    );
  });
}
