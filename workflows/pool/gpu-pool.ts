/**
 * One run of `gpuPool` for each pool, for ever: grant leases, ask for yields, release what ended holders held.
 *
 * It grants a gang whole or not at all, grants no GPU twice, and its tokens only grow. A new pool first asks the holders
 * of leases what they hold. A host is present as long as its `keepPresence` activity runs.
 */
import {
  allHandlersFinished,
  condition,
  continueAsNew,
  proxyActivities,
  workflowInfo,
} from '@temporalio/workflow';
import type { PoolActivities } from '../../contracts/activities.ts';
import { parse } from '../../contracts/parsing.ts';
import { askingHolders, bookkeeping } from '../base/activity-profiles.ts';
import { invalid } from '../base/errors.ts';
import { answerMessages } from './answer-messages.ts';
import { readCarriedPool } from './carried-pool.ts';
import { askForYields, grantLeases, tellHolders } from './grant-leases.ts';
import { adoptAccounts } from './pool-adoption.ts';
import { forgetHosts } from './pool-hosts.ts';
import { endHolder, holders } from './pool-ledger.ts';
import { someoneIsAsked } from './pool-preemption.ts';
import { PoolRun } from './pool-run.ts';
import { poolName, readSettingsIfValid } from './pool-settings.ts';
import type { CarriedPool } from './pool-state.ts';

const activities = proxyActivities<PoolActivities>(bookkeeping);

/** A terminated workflow releases nothing by itself: holders are checked this often while a request waits, */
const CHECK_MS = 30_000;
/** and this often while none does, so that what people see is true. */
const RARE_CHECK_MS = 600_000;

/** Far below Temporal's own limit: a query to a worker that has forgotten the pool replays its history first. */
const LONG_HISTORY = 200;
/** Each history begins with each host's presence and its join: a large pool must get beyond them. */
const EVENTS_FOR_A_HOST = 5;

/** @param given What a continue-as-new carries. Absent: a new pool. */
export async function gpuPool(given?: unknown): Promise<never> {
  const carried = carriedOf(given);
  const pool = new PoolRun(carried);
  answerMessages(pool);
  await Promise.all([readSettingsIfValid(pool), carried === undefined ? adoptLeases(pool) : undefined]);
  pool.begin();
  while (!isLong(pool) || !allHandlersFinished()) {
    pool.forgetChanges();
    if (checkIsDueInMs(pool) <= 0) await releaseEndedHolders(pool);
    if (await grantLeases(pool)) continue;
    if (await askForYields(pool)) continue;
    await untilChanged(pool);
  }
  return continueAsNew<typeof gpuPool>(pool.carried());
}

/** Before the first grant: leases that a pool before this one granted are in use. */
async function adoptLeases(pool: PoolRun): Promise<void> {
  const summary = 'ask the holders what they have: this pool has just been started';
  const accounts = await activities.askHolders.executeWithOptions({ ...askingHolders, summary }, [
    { pool: poolName() },
  ]);
  const { state, adopted } = adoptAccounts(pool.state, accounts, Date.now());
  pool.update(state);
  void tellHolders(pool, adopted);
}

async function releaseEndedHolders(pool: PoolRun): Promise<void> {
  const summary = 'check whether the holders of leases still run';
  const ended = await activities.findEndedHolders.executeWithOptions({ ...bookkeeping, summary }, [
    { holders: holders(pool.state) },
  ]);
  for (const holder of ended) pool.update(endHolder(pool.state, holder));
  pool.update(forgetHosts(pool.state, Date.now()));
  pool.holdersCheckedAt = Date.now();
}

/** Counted from the last check: where something changes all the time, the pool is never idle for so long. */
function checkIsDueInMs({ state, holdersCheckedAt }: PoolRun): number {
  if (state.queue.length > 0 || someoneIsAsked(state)) return holdersCheckedAt + CHECK_MS - Date.now();
  return state.leases.length > 0 ? holdersCheckedAt + RARE_CHECK_MS - Date.now() : Infinity;
}

async function untilChanged(pool: PoolRun): Promise<void> {
  const dueInMs = checkIsDueInMs(pool);
  if (dueInMs < Infinity) {
    const summary = 'then check whether holders ended';
    await condition(() => pool.hasChanged, Math.max(dueInMs, 1), { summary });
    return;
  }
  await condition(() => pool.hasChanged);
  pool.holdersCheckedAt = Date.now();
}

function isLong({ state }: PoolRun): boolean {
  const { continueAsNewSuggested, historyLength } = workflowInfo();
  const present = state.hosts.filter((host) => host.present).length;
  return continueAsNewSuggested || historyLength > LONG_HISTORY + EVENTS_FOR_A_HOST * present;
}

/** @throws InvalidConfig where anyone but the pool has written it. */
function carriedOf(given: unknown): CarriedPool | undefined {
  if (given === undefined || given === null) return undefined;
  const parsed = parse(readCarriedPool, given, 'input');
  if (parsed.ok) return parsed.value;
  throw invalid(`start a pool without an input: only its own continue-as-new has one: ${parsed.problem}`);
}
