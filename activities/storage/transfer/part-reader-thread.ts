/**
 * @module The thread of part-reader.ts: reads a file in order into the buffers that it is given, each once, and says
 * CRC-32 and SHA-256. On Linux a thread has a priority of its own: this one gives way to trainers.
 */
import { createHash } from 'node:crypto';
import { readSync } from 'node:fs';
import { setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { crc32 } from 'node:zlib';

const LOW_PRIORITY = 10;

if (process.platform === 'linux') setPriority(LOW_PRIORITY);
const fd = Number(workerData);
const sha256 = createHash('sha256');
let offset = 0;

parentPort?.on('message', (buffer: unknown) => {
  if (!(buffer instanceof SharedArrayBuffer)) return;
  const sizeBytes = fill(new Uint8Array(buffer));
  offset += sizeBytes;
  const bytes = new Uint8Array(buffer, 0, sizeBytes);
  sha256.update(bytes);
  parentPort?.postMessage({
    sizeBytes,
    crc32: crc32(bytes),
    // Less than was asked for: the file has come to its end.
    sha256: sizeBytes < buffer.byteLength ? sha256.copy().digest('hex') : undefined,
  });
});

function fill(bytes: Uint8Array): number {
  for (let filled = 0; ;) {
    const read = readSync(fd, bytes, filled, bytes.length - filled, offset + filled);
    filled += read;
    if (read === 0 || filled === bytes.length) return filled;
  }
}
