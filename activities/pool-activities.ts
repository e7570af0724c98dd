/**
 * @module What the pool cannot do itself: ask Temporal who still runs, and read its file.
 */
import { Context, getClient } from '@temporalio/activity';
import { loadPoolSettings } from '../planning/pool-settings.ts';
import { ConfigError } from '../planning/reading/problems.ts';
import type { PoolActivities } from '../contracts/activities.ts';
import { fail } from './support/failures.ts';
import { isRunning } from './support/is-running.ts';
import { askHolders } from './support/ask-holders.ts';

export function createPoolActivities(configDirectory: string): PoolActivities {
  return {
    askHolders({ pool }) {
      const context = Context.current();
      return askHolders(getClient(), pool, () => context.heartbeat());
    },

    async findEndedHolders({ holders }) {
      const ended = await Promise.all(
        holders.map(async (holder) => ((await isRunning(getClient(), holder)) ? [] : [holder])),
      );
      return ended.flat();
    },

    async readPoolSettings({ pool }) {
      try {
        return await loadPoolSettings(pool, configDirectory);
      } catch (error) {
        if (error instanceof ConfigError) throw fail('InvalidConfig', error.message);
        throw error;
      }
    },
  };
}
