/** @module What a pool tells the holders of leases: that one is granted, and that one is wanted back. */
import { getExternalWorkflowHandle } from '@temporalio/workflow';
import type { Lease } from '../../contracts/pool.ts';
import { leaseGrantedSignal, yieldSignal } from '../base/messages.ts';
import { findHost, hostsToLetGo } from './pool-hosts.ts';
import { grant, release } from './pool-ledger.ts';
import { askToYield } from './pool-preemption.ts';
import type { PoolRun } from './pool-run.ts';

/** True when something was granted. */
export async function grantLeases(pool: PoolRun): Promise<boolean> {
  const { state, granted } = grant(pool.state, Date.now());
  if (granted.length === 0) return false;
  pool.update(state);
  await tellHolders(pool, granted);
  return true;
}

/** A holder that has ended before it was told holds nothing. */
export async function tellHolders(pool: PoolRun, leases: readonly Lease[]): Promise<void> {
  const tell = (lease: Lease) =>
    isDelivered(getExternalWorkflowHandle(lease.holder).signal(leaseGrantedSignal, lease));
  const told = await Promise.all(leases.map(tell));
  leases.forEach(({ requestId }, index) => {
    if (told[index] === false) pool.update(release(pool.state, requestId));
  });
}

/** Asks holders for hosts that a drain or a more urgent request wants, and lets drained hosts leave. True when that changed something. */
export async function askForYields(pool: PoolRun): Promise<boolean> {
  for (const name of hostsToLetGo(pool.state)) {
    const host = findHost(pool.state, name);
    if (host !== undefined) pool.presences.tellToLeave(host, pool.state.settings);
  }
  const { state, asks } = askToYield(pool.state, Date.now());
  if (asks.length === 0) {
    pool.updateQuietly(state);
    return false;
  }
  pool.update(state);
  await Promise.all(
    asks.map(async ({ holder, ask }) => {
      const delivered = await isDelivered(getExternalWorkflowHandle(holder).signal(yieldSignal, ask));
      if (!delivered) pool.update(release(pool.state, ask.requestId));
    }),
  );
  return true;
}

/** False when the holder has ended. */
function isDelivered(signal: Promise<void>): Promise<boolean> {
  return signal.then(
    () => true,
    () => false,
  );
}
