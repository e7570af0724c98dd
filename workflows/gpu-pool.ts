/**
 * One run of `gpuPool` for each pool, for ever. It promises that a gang is granted whole or not at all, that no GPU
 * is granted twice, and that tokens only grow. Hosts live as long as their `bePresent` activity does.
 */
import {
  allHandlersFinished,
  condition,
  continueAsNew,
  getExternalWorkflowHandle,
  patched,
  proxyActivities,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type { PoolActivities } from '../contracts/activities.ts';
import type { Lease } from '../contracts/pool.ts';
import { bookkeeping, settingsReading } from './activity-profiles.ts';
import { handleOrders } from './handle-orders.ts';
import {
  blameSignal,
  joinSignal,
  leaseGrantedSignal,
  poolQuery,
  prioritySignal,
  releaseSignal,
  reloadUpdate,
  requestSignal,
  yieldSignal,
} from './messages.ts';
import {
  blameHost,
  forgetHosts,
  hostsToLetGo,
  joinHost,
  leaveHost,
  letHostGo,
  loseHost,
} from './pool-hosts.ts';
import { endHolder, enqueue, grant, holders, release, reprioritise } from './pool-ledger.ts';
import { askToYield, someoneIsAsked } from './pool-preemption.ts';
import { emptyPool, revive, type CarriedPool, type PoolState } from './pool-state.ts';
import { viewPool } from './pool-view.ts';
import { Presences } from './presences.ts';

const pool = proxyActivities<PoolActivities>(bookkeeping);

/** While somebody waits, the holders are looked at this often: a terminated workflow releases nothing by itself. */
const LOOK_MS = 30_000;

/** And this often while nobody does, so that what people see is true. */
const RARE_LOOK_MS = 600_000;

/** Far below Temporal's own limit: a query to a worker that has forgotten the pool replays its history first. */
const LONG_HISTORY = 200;

/** Each history begins with each host's presence and its join: a large pool must get beyond them. */
const EVENTS_FOR_A_HOST = 5;

/** Of pools that began before. */
const FORMER_LONG_HISTORY = 1000;

export async function gpuPool(carried: CarriedPool = emptyPool): Promise<never> {
  const shared = patched('shared-hosts');
  const short = patched('short-histories');
  const rules = shared ? {} : { wholeHosts: true, noBackfill: true, oneByOne: true };
  let state = revive(carried, Date.now());
  let changed = true;
  let lookedAt = Date.now();
  let ready = !shared;
  const update = (next: PoolState) => {
    state = next;
    changed = true;
  };
  const presences = new Presences((host, how) =>
    update((how === 'left' ? leaveHost : loseHost)(state, host, Date.now())),
  );

  setHandler(poolQuery, () => viewPool(state, Date.now()));
  setHandler(joinSignal, (host) => {
    update(joinHost(state, host));
    if (ready) presences.watch(host, state.settings);
  });
  setHandler(requestSignal, (request) => update(enqueue(state, request, Date.now())));
  setHandler(releaseSignal, ({ requestId }) => update(release(state, requestId)));
  setHandler(prioritySignal, ({ requestId, priority }) => update(reprioritise(state, requestId, priority)));
  setHandler(blameSignal, (blame) => update(blameHost(state, blame, Date.now())));
  handleOrders(() => state, update);
  setHandler(reloadUpdate, async () => {
    const settings = await readSettings();
    update({ ...withoutProblem(state), settings });
    return settings;
  });

  if (shared) await startSettings();
  for (const host of state.hosts) if (host.present) presences.watch(host, state.settings);
  while (!isLong() || !allHandlersFinished()) {
    changed = false;
    let granted = await grantAll();
    while (granted && !shared) granted = await grantAll();
    if (granted) continue;
    if (await askAndLetGo()) continue;
    const everyMs = lookEveryMs();
    if (everyMs === undefined) {
      await condition(() => changed);
      lookedAt = Date.now();
      continue;
    }
    // Counted from the last look: where something changes all the time, it would never be quiet for so long.
    const dueInMs = lookedAt + everyMs - Date.now();
    const summary = 'then see whether holders ended';
    if (dueInMs > 0 && (await condition(() => changed, dueInMs, { summary }))) continue;
    await dropEndedHolders();
    lookedAt = Date.now();
  }
  return continueAsNew<typeof gpuPool>(state);

  function isLong(): boolean {
    const { continueAsNewSuggested, historyLength } = workflowInfo();
    const present = state.hosts.filter((host) => host.present).length;
    const long = short ? LONG_HISTORY + EVENTS_FOR_A_HOST * present : FORMER_LONG_HISTORY;
    return continueAsNewSuggested || (shared && historyLength > long);
  }

  /** True when something was granted. */
  async function grantAll(): Promise<boolean> {
    const { state: next, granted } = grant(state, Date.now(), rules);
    if (granted.length === 0) return false;
    update(next);
    const told = await Promise.all(granted.map(tell));
    granted.forEach(({ requestId }, index) => {
      if (told[index] === false) update(release(state, requestId));
    });
    return true;
  }

  /** True when that changed something. */
  async function askAndLetGo(): Promise<boolean> {
    for (const host of hostsToLetGo(state)) {
      if (!presences.letGo(host)) continue;
      update(letHostGo(state, host));
    }
    const { state: next, asks } = askToYield(state, Date.now());
    state = next;
    if (asks.length === 0) return false;
    changed = true;
    await Promise.all(
      asks.map(async ({ holder, ask }) => {
        const told = await said(getExternalWorkflowHandle(holder).signal(yieldSignal, ask));
        if (!told) update(release(state, ask.requestId));
      }),
    );
    return true;
  }

  function lookEveryMs(): number | undefined {
    if (state.queue.length > 0 || someoneIsAsked(state)) return LOOK_MS;
    return shared && state.leases.length > 0 ? RARE_LOOK_MS : undefined;
  }

  async function dropEndedHolders(): Promise<void> {
    const ended = await pool.findEndedHolders.executeWithOptions(
      { ...bookkeeping, summary: 'look whether the holders of leases still run' },
      [{ holders: holders(state) }],
    );
    for (const holder of ended) update(endHolder(state, holder));
    update(forgetHosts(state, Date.now()));
  }

  /** A file that will not do is no reason to stand still. */
  async function startSettings(): Promise<void> {
    try {
      const settings = await readSettings();
      // The state as it is now, and not as it was before.
      update({ ...withoutProblem(state), settings });
    } catch (error) {
      update({ ...state, problem: rootMessage(error) });
    }
    ready = true;
  }
}

function readSettings() {
  const name = workflowInfo().workflowId.replace(/^pool\//, '');
  return proxyActivities<PoolActivities>(settingsReading).readPoolSettings({ pool: name });
}

function withoutProblem({ problem, ...state }: PoolState): PoolState {
  return state;
}

/** False when the holder has ended before its grant. */
function tell(lease: Lease): Promise<boolean> {
  return said(getExternalWorkflowHandle(lease.holder).signal(leaseGrantedSignal, lease));
}

function said(signal: Promise<void>): Promise<boolean> {
  return signal.then(
    () => true,
    () => false,
  );
}

function rootMessage(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : rootMessage(error.cause);
}
