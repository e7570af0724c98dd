/**
 * @module Holders that are not there: workflows that no one runs keep what the pool tells them, and a test speaks for them.
 */
import type { WorkflowHandle } from '@temporalio/client';
import { z } from 'zod';
import { poolWorkflowId } from '../../contracts/ids.ts';
import type { LeaseRequest } from '../../contracts/pool.ts';
import type { PoolView } from '../../contracts/pool-view.ts';
import { poolQuery, releaseSignal, requestSignal } from '../../workflows/base/messages.ts';
import type { Lab } from './lab.ts';

export interface PoolClient {
  readonly pool: WorkflowHandle;
  view(): Promise<PoolView>;
  /** Starts a holder. */
  hold(holder: string): Promise<WorkflowHandle>;
  ask(requestId: string, holder: string, more?: Partial<LeaseRequest>): Promise<void>;
  release(requestId: string): Promise<void>;
}

export function poolClient({ client }: Pick<Lab, 'client'>, name: string): PoolClient {
  const pool = client.workflow.getHandle(poolWorkflowId(name));
  return {
    pool,
    view: () => pool.query(poolQuery),
    hold: (workflowId) => client.workflow.start('nobodyRunsThis', { workflowId, taskQueue: 'nobody' }),
    ask: (requestId, holder, more = {}) =>
      pool.signal(requestSignal, {
        ...{ requestId, holder, holderSince: 0, hosts: 1, gpusPerHost: 2, avoid: [] },
        ...more,
      }),
    release: (requestId) => pool.signal(releaseSignal, { requestId }),
  };
}

const payloads = z.object({ payloads: z.array(z.object({ data: z.instanceof(Uint8Array) })) });

/** What was said to a holder by a signal, in the order in which it was said. */
export async function heard(holder: WorkflowHandle, signal: string): Promise<unknown[]> {
  const { events } = await holder.fetchHistory();
  return (events ?? []).flatMap(({ workflowExecutionSignaledEventAttributes: said }): unknown[] => {
    if (said?.signalName !== signal) return [];
    const [first] = payloads.parse(said.input).payloads;
    return first === undefined ? [] : [JSON.parse(Buffer.from(first.data).toString())];
  });
}
