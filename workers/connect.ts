/**
 * @module A worker's connection to Temporal, which may be away when the worker starts.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { NativeConnection } from '@temporalio/worker';
import type { Logger } from 'pino';
import { readTemporalSettings } from '../planning/environment/temporal-connection.ts';

const RETRY_MS = 1000;

export interface WorkerConnection {
  readonly connection: NativeConnection;
  readonly namespace: string;
}

/** Waits for Temporal for as long as it takes: a worker that starts before its server is no error. */
export async function connectWorker(log: Logger, signal: AbortSignal): Promise<WorkerConnection> {
  const { connection: options, namespace, address } = readTemporalSettings();
  for (let attempt = 1; ; attempt += 1) {
    signal.throwIfAborted();
    try {
      return { connection: await NativeConnection.connect(options), namespace };
    } catch (error) {
      if (attempt % 10 === 1)
        log.warn({ address, error: String(error) }, 'Temporal cannot be reached yet, trying on');
      await delay(RETRY_MS, undefined, { signal });
    }
  }
}
