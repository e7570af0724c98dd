/**
 * @module Whether the sandbox's workers are up: not that their processes were started, but that each has said so to
 * Temporal. A worker that ends at once is started again without end, and would look alive to whoever counts processes.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { countControlWorkers } from '../cli/shared/client.ts';
import { poolWorkflowId } from '../contracts/ids.ts';
import { poolQuery } from '../workflows/base/messages.ts';
import { logTail } from './log-tail.ts';
import type { KeptProcess } from './keep-alive.ts';
import type { Stack } from './stack.ts';

const LOOK_EVERY_MS = 300;
const DEADLINE_MS = 90_000;
/** A worker may end once because a server was not ready; more often it is the worker. */
const MOST_ENDS = 3;

type Parts = Pick<Stack, 'client' | 'control' | 'hosts'>;

/**
 * @param endsOf How often the worker of that name has ended so far.
 * @throws with the log of the first worker that does not come up.
 */
export async function untilWorkersAreUp(
  stack: Parts,
  endsOf: (name: string) => number,
  signal: AbortSignal,
  pool = 'default',
): Promise<void> {
  for (const deadline = Date.now() + DEADLINE_MS; ;) {
    const missing = await missingWorkers(stack, pool);
    const [first] = missing;
    if (first === undefined) return;
    const broken = missing.find(({ name, gaveUp }) => gaveUp !== undefined || endsOf(name) >= MOST_ENDS);
    if (broken !== undefined)
      throw new Error(`${broken.name} ends again and again; ${await logTail(broken.logFile)}`);
    if (Date.now() > deadline)
      throw new Error(
        `${first.name} is not up after ${DEADLINE_MS / 1000} s; ${await logTail(first.logFile)}`,
      );
    await delay(LOOK_EVERY_MS, undefined, { signal });
  }
}

/** What does not answer yet is not up yet. */
async function missingWorkers(
  { client, control, hosts }: Parts,
  pool: string,
): Promise<readonly KeptProcess[]> {
  const controls = await countControlWorkers(client).catch(() => 0);
  if (controls === 0 || control.pid === undefined) return [control];
  const view = await client.workflow
    .getHandle(poolWorkflowId(pool))
    .query(poolQuery)
    .catch(() => undefined);
  const present = new Set(view?.hosts.filter((host) => host.present).map(({ name }) => name));
  return hosts.flatMap(({ name, worker }) => (present.has(name) && worker.pid !== undefined ? [] : [worker]));
}
