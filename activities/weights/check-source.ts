/** @module Whether a source would do, asked in seconds before anyone counts on it. */
import type { Expected } from './fetching.ts';
import { createRetrier, type RetryPolicy } from './retry-policy.ts';
import { mustAgree } from './verify-download.ts';
import type { ArtifactSource, FileVersion } from './sources/source.ts';

/** Enough for a hiccup, and no more. */
const SHORT_RETRY_POLICY: RetryPolicy = {
  failures: 3,
  firstWaitMs: 300,
  longestWaitMs: 1000,
  longestRetryAfterMs: 2000,
};

/**
 * Is it there, with the size and the checksum that the catalogue expects, as far as the source tells?
 *
 * @throws FetchError as the download would.
 */
export async function checkSource(
  source: ArtifactSource,
  expected: Expected,
  signal: AbortSignal,
): Promise<FileVersion> {
  const retrier = createRetrier(SHORT_RETRY_POLICY, () => undefined);
  const version = await retrier.retry(() => source.describe(signal), signal);
  mustAgree(source, version, expected);
  return version;
}
