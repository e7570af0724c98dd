/** @module The pool's settings, read from its file by a control worker. */
import { proxyActivities, workflowInfo } from '@temporalio/workflow';
import type { PoolActivities } from '../../contracts/activities.ts';
import { innermostMessage } from '../../contracts/failures.ts';
import type { PoolSettings } from '../../contracts/pool.ts';
import { settingsReading } from '../base/activity-profiles.ts';
import type { PoolRun } from './pool-run.ts';
import type { PoolState } from './pool-state.ts';

export function poolName(): string {
  return workflowInfo().workflowId.replace(/^pool\//, '');
}

/** @throws what is wrong with the file. */
export async function reloadSettings(pool: PoolRun): Promise<PoolSettings> {
  const { readPoolSettings } = proxyActivities<PoolActivities>(settingsReading);
  const settings = await readPoolSettings({ pool: poolName() });
  // Read late: the state may have changed during the activity.
  pool.update({ ...withoutProblem(pool.state), settings });
  return settings;
}

/** A pool with a bad file works with the settings that it has, and shows the problem. */
export async function readSettingsIfValid(pool: PoolRun): Promise<void> {
  try {
    await reloadSettings(pool);
  } catch (error) {
    pool.update({ ...pool.state, problem: error instanceof Error ? innermostMessage(error) : String(error) });
  }
}

function withoutProblem({ problem, ...state }: PoolState): PoolState {
  return state;
}
