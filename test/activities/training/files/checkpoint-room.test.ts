import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, statfs, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { measureFreeSpace } from '../../../../activities/training/files/checkpoint-room.ts';
import type { WeightsFile } from '../../../../contracts/weights.ts';

const TERABYTE = 1e12;

describe('measureFreeSpace', () => {
  let folder: string;
  before(async () => (folder = await mkdtemp(join(tmpdir(), 'glee-room-'))));
  after(() => rm(folder, { recursive: true, force: true }));

  const file = (digit: string, sizeBytes = TERABYTE): WeightsFile => {
    return { name: digit, bucket: 'b', key: digit, sha256: digit.repeat(64), sizeBytes };
  };
  const places = (name: string) => ({ scratch: join(folder, name, 'scratch'), checkout: join(folder, name) });

  it('says what the disk has free, and counts each file once, also in folders that are not there yet', async () => {
    const { bavail, bsize } = await statfs(folder);
    const [disk, ...others] = await measureFreeSpace(places('new'), {
      weights: { kind: 'artifact', artifact: file('1') },
      files: [
        { path: 'weights/a.pth', file: file('1') },
        { path: 'weights/b.pth', file: file('2', 5) },
      ],
    });
    assert.deepEqual(others, [], 'both folders are on one disk');
    assert.equal(disk?.neededBytes, TERABYTE + 5);
    // Others write to this disk as well.
    assert.ok(Math.abs(disk.freeBytes - bavail * bsize) < 0.1 * bavail * bsize);
  });

  it('needs no room for what lies in the cache, in the checkout, or belongs to the checkout', async () => {
    const { scratch, checkout } = places('used');
    await mkdir(join(scratch, 'weights'), { recursive: true });
    await writeFile(join(scratch, 'weights', `${'1'.repeat(64)}.pth`), 'cached');
    await writeFile(join(checkout, 'placed.pth'), 'placed');
    const files = [
      { path: 'a.pth', file: file('1', 6) },
      { path: 'placed.pth', file: file('2') },
    ];
    const weights = { kind: 'checkout', path: 'x', sha256: 'x', sizeBytes: TERABYTE } as const;
    const [disk] = await measureFreeSpace({ scratch, checkout }, { weights, files });
    assert.equal(disk?.neededBytes, 0);
  });

  it('needs room for a copy in the checkout where that is on another disk', async (t) => {
    const shm = await mkdtemp('/dev/shm/glee-room-').catch(() => undefined);
    if (shm === undefined) {
      t.skip('no /dev/shm here');
      return;
    }
    try {
      const { scratch } = places('other');
      const files = [{ path: 'a.pth', file: file('1') }];
      const weights = { kind: 'artifact', artifact: file('2') } as const;
      const disks = await measureFreeSpace({ scratch, checkout: shm }, { weights, files });
      assert.deepEqual(
        disks.map(({ path, neededBytes }) => [path, neededBytes]),
        [
          [scratch, 2 * TERABYTE],
          [shm, TERABYTE],
        ],
      );
    } finally {
      await rm(shm, { recursive: true });
    }
  });
});
