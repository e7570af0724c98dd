/** @module An object in S3 as a source, reached with the project's own client and rights. */
import { httpStatus } from '../../../planning/environment/s3-client.ts';
import type { StoredObjects } from '../../storage/ports/stored-objects.ts';
import { FetchError, type FetchErrorKind } from './fetch-error.ts';
import { isPlain, UNPACK } from './http-answers.ts';
import { fileNameOf, type ArtifactSource } from './source.ts';

/** @param name Of the object, below the prefix that `objects` has. */
export function storedObject(objects: StoredObjects, name: string, address: string): ArtifactSource {
  return {
    address,
    fileName: fileNameOf(name),
    async describe(signal) {
      const found = await named(address, signal, () => objects.find(name, signal));
      if (found === undefined) throw new FetchError('notFound', `${address} does not exist`);
      const { contentEncoding = '' } = found;
      if (!isPlain(contentEncoding)) {
        const packed = `${address} is stored packed (Content-Encoding: ${contentEncoding.slice(0, 40)})`;
        throw new FetchError('unusableSource', `${packed}: ${UNPACK}`);
      }
      return { sizeBytes: found.sizeBytes, validator: found.version };
    },
    async open(offset, { validator: version = '' }, signal) {
      const bytes = await named(address, signal, () => objects.read(name, { offset, version }, signal));
      return namedStream(address, signal, bytes);
    },
  };
}

/** Gives S3's errors the names that downloads know. */
async function named<T>(address: string, signal: AbortSignal, request: () => Promise<T>): Promise<T> {
  try {
    return await request();
  } catch (error) {
    throw inOurWords(address, signal, error);
  }
}

async function* namedStream(
  address: string,
  signal: AbortSignal,
  bytes: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  try {
    yield* bytes;
  } catch (error) {
    throw inOurWords(address, signal, error);
  }
}

function inOurWords(address: string, signal: AbortSignal, error: unknown): unknown {
  if (signal.aborted || !(error instanceof Error)) return error;
  const problem = (kind: FetchErrorKind, what: string) =>
    new FetchError(kind, `${address} ${what}: ${error.message}`, { cause: error });
  const status = httpStatus(error);
  if (status === 404) return problem('notFound', 'does not exist');
  if (status === 412 || status === 416) return problem('sourceChanged', 'was written while it was read');
  if (status === 401 || status === 403) {
    return problem('unauthorized', 'may not be read with the credentials that this machine has');
  }
  return problem('unavailable', 'cannot be read now');
}
