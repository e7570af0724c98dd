/** @module A process that fetches one artifact, for tests that kill it: `fetch-process.js <name> <source>`. */
import { createS3Client } from '../../../planning/environment/s3-client.ts';
import { readDownloadSettings } from '../../../planning/environment/download-settings.ts';
import { createS3MultipartUploads } from '../../../activities/storage/s3-multipart-uploads.ts';
import { createS3ObjectStore } from '../../../activities/storage/s3-object-store.ts';
import { createS3StoredObjects } from '../../../activities/storage/s3-stored-objects.ts';
import { fetchIntoS3 } from '../../../activities/weights/fetch-into-s3.ts';
import { createSources } from '../../../activities/weights/sources/open-source.ts';
import { parseSource } from '../../../activities/weights/sources/parse-source.ts';

const [name = '', source = ''] = process.argv.slice(2);
const client = createS3Client();
const sources = createSources(client, readDownloadSettings());
const tools = {
  store: createS3ObjectStore(client, 'glee', ''),
  uploads: createS3MultipartUploads(client, 'glee', ''),
  objects: createS3StoredObjects(client, 'glee', ''),
  sources,
};
const request = { name, sources: [parseSource(source)] };
const fetched = await fetchIntoS3(tools, request, new AbortController().signal, () => undefined);
process.stdout.write(JSON.stringify(fetched.manifest));
await sources.close();
client.destroy();
