/** @module Whether a source would do, asked in seconds before anyone counts on it. */
import type { Expected } from './fetching.ts';
import { createPatience, type PatienceSettings } from './retry-policy.ts';
import { mustAgree } from './verify-download.ts';
import type { ArtifactSource, FileVersion } from './sources/source.ts';

/** Enough for a hiccup, and no more. */
const LITTLE_PATIENCE: PatienceSettings = {
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
  const patience = createPatience(LITTLE_PATIENCE, () => undefined);
  const version = await patience.retry(() => source.describe(signal), signal);
  mustAgree(source, version, expected);
  return version;
}
