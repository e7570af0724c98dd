/**
 * @module Which Temporal and which S3 a GPU worker belongs to, as they say themselves: an address may lead to another
 * cluster tomorrow, and a namespace of the same name may be made again.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { NativeConnection } from '@temporalio/worker';
import type { Logger } from 'pino';
import type { ObjectStore } from '../activities/storage/ports/object-store.ts';
import type { Origin } from '../activities/training/jobs/job.ts';

const RETRY_MS = 1000;

/** Waits for Temporal for as long as it takes, as for the connection. */
export async function originOf(
  { workflowService }: NativeConnection,
  namespace: string,
  store: ObjectStore,
  log: Logger,
  signal: AbortSignal,
): Promise<Origin> {
  for (let attempt = 1; ; attempt += 1) {
    signal.throwIfAborted();
    try {
      const { namespaceInfo } = await workflowService.describeNamespace({ namespace });
      // A hosted service may keep this to itself; its namespaces have names and ids of their own in the whole service.
      const cluster = await workflowService.getClusterInfo({}).catch((error: unknown) => {
        if (isRefused(error)) return undefined;
        throw error;
      });
      return {
        cluster: cluster?.clusterId ?? '',
        namespace: `${namespace} ${namespaceInfo?.id ?? ''}`.trim(),
        storage: `s3://${store.bucket}/${store.keyOf('')}`,
      };
    } catch (error) {
      if (attempt % 10 === 1)
        log.warn({ namespace, error: String(error) }, 'the namespace cannot be looked at yet');
      await delay(RETRY_MS, undefined, { signal });
    }
  }
}

/** PERMISSION_DENIED or UNIMPLEMENTED of gRPC. */
function isRefused(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 7 || error.code === 12);
}
