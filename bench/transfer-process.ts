/**
 * @module One transfer by the store that the workers use, in a process of its own: `upload|restore PATH NAME [LIMIT]`.
 * The first line on stdout says that it begins, the last one what it took. A worker runs already when a checkpoint comes, so the start of Node is not
 * in the times; its memory is in the peak.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { z } from 'zod';
import { createS3ObjectStore } from '../activities/storage/s3-object-store.ts';
import { createS3Client } from '../planning/environment/s3-client.ts';

const uploaded = z.object({ sizeBytes: z.number(), sha256: z.string(), crc32: z.string() });

const [direction = '', path = '', name = '', limit] = process.argv.slice(2);
const store = createS3ObjectStore(createS3Client(), 'glee', '');
const stop = new AbortController();
process.once('SIGTERM', () => stop.abort());
// A worker has talked to S3 before: it has read the stage's head.
await store.readText('head.json');
console.log('begins');
const manifest = `${path}.json`;
const cpuBefore = process.cpuUsage();
const began = performance.now();
if (direction === 'upload') {
  const limited = limit === undefined ? {} : { bytesPerSecond: () => Number(limit) };
  const file = await store.upload(name, path, stop.signal, limited);
  await writeFile(manifest, JSON.stringify(file));
} else {
  const file = uploaded.parse(JSON.parse(await readFile(manifest, 'utf8')));
  await store.download({ fullKey: name, ...file }, `${path}.ours`, stop.signal);
}
const seconds = (performance.now() - began) / 1000;
const { user, system } = process.cpuUsage(cpuBefore);
const mebibytes = process.resourceUsage().maxRSS / 1024;
console.log(JSON.stringify({ seconds, cpuSeconds: (user + system) / 1e6, mebibytes }));
process.exit();
