/** @module A file system of its own in memory, of a size that a test says. */
import { mkdtempSync, rmdirSync } from 'node:fs';
import { mkdtemp, open, rmdir, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa, execaSync } from 'execa';

/** Why there can be none, for a test's `skip`; false where there can. */
export const noSmallDisk = mayMount() ? false : 'only root may mount a small disk';

export interface SmallDisk {
  readonly folder: string;
  /** Leaves so many bytes free, to a page: by a file of someone else's that grows or shrinks. */
  readonly leaveFree: (bytes: number) => Promise<void>;
  readonly remove: () => Promise<void>;
}

export async function makeSmallDisk(size: string): Promise<SmallDisk> {
  const folder = await mkdtemp(join(tmpdir(), 'glee-disk-'));
  await execa('mount', ['-t', 'tmpfs', '-o', `size=${size},mode=700`, 'tmpfs', folder]);
  return {
    folder,
    async leaveFree(bytes) {
      const file = await open(join(folder, 'of-somebody-else'), 'a+');
      try {
        await file.truncate(0);
        const { bavail, bsize } = await statfs(folder);
        const excess = Math.floor((bavail * bsize - bytes) / bsize) * bsize;
        if (excess > 0) await file.appendFile(Buffer.alloc(excess));
      } finally {
        await file.close();
      }
    },
    async remove() {
      await execa('umount', ['--lazy', folder]);
      await rmdir(folder);
    },
  };
}

/** Root in a container may not, so it is tried. */
function mayMount(): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'glee-disk-'));
  try {
    if (execaSync('mount', ['-t', 'tmpfs', 'tmpfs', folder], { reject: false }).failed) return false;
    execaSync('umount', ['--lazy', folder]);
    return true;
  } finally {
    rmdirSync(folder);
  }
}
