/**
 * One run of `gpuPool` for each pool, for ever. It promises that a gang is granted whole or not at all, that no host
 * is granted twice, and that tokens only grow. Hosts live as long as their `bePresent` activity does.
 */
import {
  allHandlersFinished,
  condition,
  continueAsNew,
  getExternalWorkflowHandle,
  proxyActivities,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type { HostActivities, PoolActivities } from '../contracts/activities.ts';
import type { Host, Lease } from '../contracts/pool.ts';
import { bookkeeping, presence } from './activity-profiles.ts';
import { joinSignal, leaseGrantedSignal, poolQuery, releaseSignal, requestSignal } from './messages.ts';
import {
  emptyPool,
  endHolder,
  enqueue,
  grantNext,
  holders,
  joinHost,
  loseHost,
  release,
  viewPool,
  type PoolState,
} from './pool-ledger.ts';

const pool = proxyActivities<PoolActivities>(bookkeeping);

/** While somebody waits, the holders are looked at this often: a terminated workflow releases nothing by itself. */
const HOLDER_CHECK_INTERVAL_MS = 30_000;

export async function gpuPool(carried: PoolState = emptyPool): Promise<never> {
  let state = carried;
  let changed = true;
  let checkedAt = Date.now();
  const watched = new Set<string>();
  const update = (next: PoolState) => {
    state = next;
    changed = true;
  };

  setHandler(poolQuery, () => viewPool(state));
  setHandler(joinSignal, (host) => {
    update(joinHost(state, host));
    watch(host);
  });
  setHandler(requestSignal, (request) => update(enqueue(state, request)));
  setHandler(releaseSignal, ({ requestId }) => update(release(state, requestId)));

  for (const host of state.hosts) if (host.present) watch(host);
  while (!workflowInfo().continueAsNewSuggested || !allHandlersFinished()) {
    changed = false;
    await grantAll();
    if (state.queue.length === 0) {
      await condition(() => changed);
      checkedAt = Date.now();
      continue;
    }
    // Counted from the last look: where something changes all the time, it would never be quiet for so long.
    const dueInMs = checkedAt + HOLDER_CHECK_INTERVAL_MS - Date.now();
    const summary = 'then see whether holders ended';
    if (dueInMs > 0 && (await condition(() => changed, dueInMs, { summary }))) continue;
    await dropEndedHolders();
    checkedAt = Date.now();
  }
  return continueAsNew<typeof gpuPool>(state);

  async function grantAll(): Promise<void> {
    for (
      let granted = grantNext(state, Date.now());
      granted !== undefined;
      granted = grantNext(state, Date.now())
    ) {
      update(granted.state);
      if (!(await tell(granted.lease))) update(release(state, granted.lease.requestId));
    }
  }

  async function dropEndedHolders(): Promise<void> {
    const ended = await pool.findEndedHolders.executeWithOptions(
      { ...bookkeeping, summary: 'look whether the holders of leases still run' },
      [{ holders: holders(state) }],
    );
    for (const holder of ended) update(endHolder(state, holder));
  }

  function watch(host: Host): void {
    if (watched.has(host.name)) return;
    watched.add(host.name);
    void untilLost(host).then(() => {
      watched.delete(host.name);
      update(loseHost(state, host.name));
    });
  }
}

/** Resolves when the host's worker left or was not heard of: the reason makes no difference to the pool. */
async function untilLost(host: Host): Promise<void> {
  const options = { ...presence(host.name), summary: `${host.name} is there (${String(host.gpus)} GPUs)` };
  await proxyActivities<HostActivities>(options)
    .bePresent({ host: { name: host.name, gpus: host.gpus, address: host.address } })
    .catch(() => undefined);
}

/** False when the holder has ended before its grant. */
async function tell(lease: Lease): Promise<boolean> {
  try {
    await getExternalWorkflowHandle(lease.holder).signal(leaseGrantedSignal, lease);
    return true;
  } catch {
    return false;
  }
}
