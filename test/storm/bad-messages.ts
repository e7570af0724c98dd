/** @module Messages that no sane client sends, to the pool and to stages: they are dropped, and nothing stops. */
import type { Client } from '@temporalio/client';
import { poolWorkflowId } from '../../contracts/ids.ts';
import { inTime } from './in-time.ts';

const SIGNALS = {
  pool: ['release', 'request', 'join', 'blame', 'priority', 'no-such-signal'],
  stage: ['leaseGranted', 'yield', 'no-such-signal'],
} as const;

const INPUTS: readonly (readonly unknown[])[] = [
  [],
  [null],
  ['text'],
  [42],
  [[]],
  [{}],
  [{ requestId: 7 }],
  [{ requestId: 'x'.repeat(100_000) }],
  [{ name: 'ghost', gpus: 300_000_000, address: '127.0.0.1' }],
  [{ name: '../..', gpus: 1, address: '127.0.0.1;id>/tmp/owned;echo ' }],
  [{ requestId: 'forged', holder: 'pool/default', holderSince: -1, hosts: [], token: 2 ** 53 - 1 }],
  [{ requestId: 'forged', holder: 'nobody', holderSince: 0, hosts: 1e9, gpusPerHost: 1e9, avoid: 'all' }],
  [{ host: 'storm-1', holder: {}, reason: 'x'.repeat(300_000), weight: 'at once' }],
  [{ __proto__: null, constructor: { prototype: { polluted: true } } }],
];

/** What was sent, for people. @param stages Workflow ids of stages that may run. */
export async function sendBadMessage(
  client: Client,
  stages: readonly string[],
  pick: number,
): Promise<string> {
  const targets = [
    ...SIGNALS.pool.map((name) => ({ workflowId: poolWorkflowId('default'), name })),
    ...stages.flatMap((workflowId) => SIGNALS.stage.map((name) => ({ workflowId, name }))),
  ];
  const all = targets.flatMap((target) => INPUTS.map((input, index) => ({ ...target, input, index })));
  const one = all[Math.floor(pick * all.length)];
  if (one === undefined) return 'no message';
  const { workflowId, name, input, index } = one;
  const signal = client.workflow.getHandle(workflowId).signal(name, ...input);
  const sent = await inTime(signal).then(
    () => 'sent',
    (error: unknown) => `not taken (${error instanceof Error ? error.name : String(error)})`,
  );
  return `bad message ${index} as '${name}' to ${workflowId}: ${sent}`;
}
