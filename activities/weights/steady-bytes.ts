/** @module One version of a file as one stream, however often the connection breaks. */
import { FetchError } from './sources/fetch-error.ts';
import type { Retrier } from './retry-policy.ts';
import type { ArtifactSource, FileVersion } from './sources/source.ts';

/** The connection broke, and without a validator nothing proves that the rest is of the same file. */
export class CannotContinue extends Error {
  override readonly name = 'CannotContinue';
}

/**
 * @param offset In bytes, where the stream begins.
 * @throws FetchError, or CannotContinue after the wait that the failure was worth.
 */
export async function* steadyBytes(
  source: ArtifactSource,
  version: FileVersion,
  offset: number,
  retrier: Retrier,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const { sizeBytes, validator } = version;
  for (let at = offset; at !== sizeBytes;) {
    try {
      for await (const chunk of await source.open(at, version, signal)) {
        at += chunk.length;
        if (sizeBytes !== undefined && at > sizeBytes) throw tooLong(source, sizeBytes);
        retrier.progressed(at);
        yield chunk;
      }
      if (sizeBytes === undefined) return;
      if (at < sizeBytes) throw endedEarly(source, at, sizeBytes);
    } catch (error) {
      // All bytes are there: what breaks after them is no loss, unless it says that they are not the file.
      if (at === sizeBytes && !signal.aborted && !isWrong(error)) return;
      await retrier.wait(error, signal);
      if (at > 0 && validator === undefined) {
        throw new CannotContinue(`${source.address} states no version to continue with`, { cause: error });
      }
    }
  }
}

function isWrong(error: unknown): boolean {
  return error instanceof FetchError && error.kind === 'wrongContent';
}

function endedEarly({ address }: ArtifactSource, at: number, sizeBytes: number): FetchError {
  const of = `${at} of ${sizeBytes} bytes`;
  return new FetchError('unavailable', `${address} ended after ${of}`);
}

function tooLong({ address }: ArtifactSource, sizeBytes: number): FetchError {
  return new FetchError('wrongContent', `${address} said that it has ${sizeBytes} bytes and sends more`);
}
