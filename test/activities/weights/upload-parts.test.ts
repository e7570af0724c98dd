import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { StoredPart } from '../../../activities/storage/ports/multipart-uploads.ts';
import { uploadParts } from '../../../activities/weights/upload-parts.ts';
import { someBytes } from './downloads.ts';

const upload = { name: 'a.pth', uploadId: '1' };
const partSizeBytes = 100;

describe('uploadParts', () => {
  /** Sends chunks of a size that does not fit the parts, and notes what had been taken whenever a part travels. */
  async function send(sizeBytes: number, stored: readonly StoredPart[] = []) {
    const content = someBytes(sizeBytes);
    const sent: Buffer[] = [];
    const takenAtSend: number[] = [];
    let taken = 0;
    async function* bytes() {
      for (let at = 0; at < sizeBytes; at += 20) {
        await Promise.resolve();
        taken = Math.min(at + 20, sizeBytes);
        yield content.subarray(at, taken);
      }
    }
    const parts = await uploadParts(
      { upload, partSizeBytes, stored, bytes: bytes() },
      async (_, number, part) => {
        takenAtSend.push(taken);
        // Time enough for whoever would read ahead.
        for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
        assert.equal(taken, takenAtSend.at(-1));
        sent.push(Buffer.from(part));
        return { number, sizeBytes: part.length, etag: String(number), crc32: '' };
      },
    );
    return { content, sent, takenAtSend, parts };
  }

  it('takes nothing more of its source while a part travels, so that a crash costs one part', async () => {
    const { content, sent, takenAtSend, parts } = await send(250);
    assert.deepEqual(takenAtSend, [100, 200, 250]);
    assert.ok(Buffer.concat(sent).equals(content));
    assert.deepEqual(
      parts.map(({ number, sizeBytes }) => [number, sizeBytes]),
      [
        [1, 100],
        [2, 100],
        [3, 50],
      ],
    );
  });

  it('continues counting after what is stored, and makes an empty file of one empty part', async () => {
    const stored = [{ number: 1, sizeBytes: 100, etag: '1', crc32: '' }];
    const { parts } = await send(100, stored);
    assert.deepEqual(
      parts.map(({ number }) => number),
      [1, 2],
    );
    const { parts: empty } = await send(0);
    assert.deepEqual(
      empty.map(({ sizeBytes }) => sizeBytes),
      [0],
    );
  });
});
