/** @module What s3.test.ts does in a process whose environment it has chosen: `touch`, `transfer FILE` or `credentials FILE`. */
import { readFile, writeFile } from 'node:fs/promises';
import {
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { createS3ObjectStore } from '../../../activities/storage/s3-object-store.ts';
import { createS3Client, storageRefusal } from '../../../planning/environment/s3-client.ts';

const [work, file = ''] = process.argv.slice(2);
const client = createS3Client();
if (work === 'touch') {
  const object = { Bucket: 'glee', Key: 'x' };
  await client.send(new PutObjectCommand({ ...object, Body: 'x' }));
  await client.send(new CreateMultipartUploadCommand(object));
  await client.send(new GetObjectCommand(object));
} else if (work === 'credentials') {
  const store = createS3ObjectStore(client, 'glee', '');
  const tried = () =>
    store
      .writeText('x', 'x')
      .catch((error: unknown) => storageRefusal(error) ?? `may pass: ${String(error)}`);
  process.stdout.write(`${await tried()}\n`);
  // What their process has waited for.
  await writeFile(file, '');
  process.stdout.write(`${await tried()}\n`);
} else {
  const forever = new AbortController().signal;
  await client.send(new CreateBucketCommand({ Bucket: 'glee' }));
  const store = createS3ObjectStore(client, 'glee', '');
  const uploaded = await store.upload('x', file, forever);
  await store.download({ fullKey: 'x', ...uploaded }, `${file}.copy`, forever);
  const [one, other] = await Promise.all([readFile(file), readFile(`${file}.copy`)]);
  process.stdout.write(one.equals(other) ? 'same\n' : 'different\n');
}
client.destroy();
