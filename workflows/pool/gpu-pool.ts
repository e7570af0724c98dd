/**
 * One run of `gpuPool` for each pool, for ever. It promises that a gang is granted whole or not at all, that no GPU
 * is granted twice, and that tokens only grow; one that is started anew first asks the holders what they have. Hosts live
 * as long as their `bePresent` activity does.
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
import type { PoolActivities } from '../../contracts/activities.ts';
import { parse } from '../../contracts/parsing.ts';
import type { Lease } from '../../contracts/pool.ts';
import { askingHolders, bookkeeping, settingsReading } from '../base/activity-profiles.ts';
import { readCarriedPool } from './carried-pool.ts';
import { handleOrders } from './handle-orders.ts';
import { invalid } from '../base/errors.ts';
import {
  hostQuery,
  leaseGrantedSignal,
  poolLeaseQuery,
  poolQuery,
  reloadUpdate,
  yieldSignal,
} from '../base/messages.ts';
import { adoptAccounts } from './pool-adoption.ts';
import { findHost, forgetHosts, hostsToLetGo, leaveHost, letHostGo, loseHost } from './pool-hosts.ts';
import { asToldToHolder, endHolder, grant, holders, release } from './pool-ledger.ts';
import { askToYield, someoneIsAsked } from './pool-preemption.ts';
import { handleSignals } from './pool-signals.ts';
import { emptyPool, type CarriedPool, type PoolState } from './pool-state.ts';
import { viewHost, viewPool } from './pool-view.ts';
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

/** @param given What a continue-as-new carries. Absent: a pool that knows nothing yet. */
export async function gpuPool(given?: unknown): Promise<never> {
  const carried = carriedOf(given);
  let state = carried?.state ?? emptyPool;
  // Not of this execution alone: in a busy pool none lasts as long as holders may go without a look.
  let lookedAt = carried?.lookedAt ?? Date.now();
  let [changed, isReady] = [true, false];
  const update = (next: PoolState) => {
    state = next;
    changed = true;
  };
  const presences = new Presences({
    ended: (host, how) => update((how === 'left' ? leaveHost : loseHost)(state, host, Date.now())),
    told: (host) => update(letHostGo(state, host)),
    untold: () => update(state),
  });

  setHandler(poolQuery, () => viewPool(state, Date.now()));
  setHandler(hostQuery, (name: unknown) =>
    findHost(state, String(name)) === undefined ? null : viewHost(state, String(name)),
  );
  setHandler(poolLeaseQuery, (requestId: unknown) => {
    const lease = state.leases.find((one) => one.requestId === requestId);
    return { isReady, lease: lease === undefined ? null : asToldToHolder(lease) };
  });
  handleSignals({
    state: () => state,
    update,
    onJoin: (host) => isReady && presences.watch(host, state.settings),
    tell: (leases) => void tellAll(leases),
  });
  handleOrders(() => state, update);
  setHandler(reloadUpdate, async () => {
    const settings = await readSettings();
    update({ ...withoutProblem(state), settings });
    return settings;
  });

  await Promise.all([startSettings(), carried === undefined ? askHolders() : undefined]);
  isReady = true;
  for (const host of state.hosts) if (host.present) presences.watch(host, state.settings);
  while (!isLong() || !allHandlersFinished()) {
    changed = false;
    if (lookIsDueInMs() <= 0) await dropEndedHolders();
    if (await grantAll()) continue;
    if (await askAndLetGo()) continue;
    await somethingToDo();
  }
  const next: CarriedPool = { state, lookedAt };
  return continueAsNew<typeof gpuPool>(next);

  function isLong(): boolean {
    const { continueAsNewSuggested, historyLength } = workflowInfo();
    const present = state.hosts.filter((host) => host.present).length;
    return continueAsNewSuggested || historyLength > LONG_HISTORY + EVENTS_FOR_A_HOST * present;
  }

  /** Before the first grant: leases that a pool before this one granted are in use. */
  async function askHolders(): Promise<void> {
    const summary = 'ask the holders what they have: this pool has just been started';
    const accounts = await pool.askHolders.executeWithOptions({ ...askingHolders, summary }, [
      { pool: poolName() },
    ]);
    const { state: next, adopted } = adoptAccounts(state, accounts, Date.now());
    update(next);
    void tellAll(adopted);
  }

  /** True when something was granted. */
  async function grantAll(): Promise<boolean> {
    const { state: next, granted } = grant(state, Date.now());
    if (granted.length === 0) return false;
    update(next);
    await tellAll(granted);
    return true;
  }

  /** A holder that has ended before it was told has nothing. */
  async function tellAll(leases: readonly Lease[]): Promise<void> {
    const told = await Promise.all(leases.map(tell));
    leases.forEach(({ requestId }, index) => {
      if (told[index] === false) update(release(state, requestId));
    });
  }

  /** True when that changed something. */
  async function askAndLetGo(): Promise<boolean> {
    for (const name of hostsToLetGo(state)) {
      const host = findHost(state, name);
      if (host !== undefined) presences.tellToLeave(host, state.settings);
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

  /** Counted from the last look: where something changes all the time, it would never be quiet for so long. */
  function lookIsDueInMs(): number {
    if (state.queue.length > 0 || someoneIsAsked(state)) return lookedAt + LOOK_MS - Date.now();
    return state.leases.length > 0 ? lookedAt + RARE_LOOK_MS - Date.now() : Infinity;
  }

  async function somethingToDo(): Promise<void> {
    const dueInMs = lookIsDueInMs();
    if (dueInMs < Infinity) {
      await condition(() => changed, Math.max(dueInMs, 1), { summary: 'then see whether holders ended' });
      return;
    }
    await condition(() => changed);
    lookedAt = Date.now();
  }

  async function dropEndedHolders(): Promise<void> {
    const ended = await pool.findEndedHolders.executeWithOptions(
      { ...bookkeeping, summary: 'look whether the holders of leases still run' },
      [{ holders: holders(state) }],
    );
    for (const holder of ended) update(endHolder(state, holder));
    update(forgetHosts(state, Date.now()));
    lookedAt = Date.now();
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
  }
}

/** @throws InvalidConfig where somebody else than the pool has written it. */
function carriedOf(given: unknown): CarriedPool | undefined {
  if (given === undefined || given === null) return undefined;
  const parsed = parse(readCarriedPool, given, 'input');
  if (parsed.ok) return parsed.value;
  throw invalid(`a pool is started without an input, and goes on with its own: ${parsed.problem}`);
}

function poolName(): string {
  return workflowInfo().workflowId.replace(/^pool\//, '');
}

function readSettings() {
  return proxyActivities<PoolActivities>(settingsReading).readPoolSettings({ pool: poolName() });
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
