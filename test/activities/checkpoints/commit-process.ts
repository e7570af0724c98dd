/** @module A process that commits one checkpoint, to be killed: `node commit-process.js RUN TOKEN ITERATIONS FILE`. */
import { commitCheckpoint } from '../../../activities/checkpoints/commit.ts';
import { openBucket } from '../../../activities/storage/bucket.ts';
import { createS3Client } from '../../../planning/environment/s3-client.ts';

const [run = '', token = '', iterations = '', path = ''] = process.argv.slice(2);
const { store } = openBucket(createS3Client(), 'glee', '');
const saved = {
  run,
  stage: 'stage1',
  token: Number(token),
  path,
  iterations: Number(iterations),
  final: false,
};
await commitCheckpoint(store, saved, new AbortController().signal);
