/**
 * @module How planning fails: by name, at once, with what a person has to mend.
 */
import { ConfigError } from '../../planning/reading/problems.ts';
import { storageRefusal } from '../../planning/environment/s3-client.ts';
import { fail } from '../support/failures.ts';
import { withHeartbeat } from '../support/with-heartbeat.ts';
import type { ObjectStore } from '../storage/ports/object-store.ts';

const HEARTBEAT_MS = 2000;

/** Heartbeats while the work continues; a config or a bucket that will not do fails by name. */
export async function withPlanningErrors<T>(
  store: ObjectStore,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  try {
    return await withHeartbeat(HEARTBEAT_MS, work);
  } catch (error) {
    if (error instanceof ConfigError) throw fail('InvalidConfig', error.message);
    const refusal = storageRefusal(error);
    if (refusal === undefined) throw error;
    throw fail(
      'StorageRefused',
      `bucket '${store.bucket}' refuses: ${refusal} (GLEE_BUCKET, AWS_*; 'glee doctor' tells more)`,
    );
  }
}
