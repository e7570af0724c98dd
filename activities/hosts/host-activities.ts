/**
 * @module The activities of one GPU host.
 */
import { Context } from '@temporalio/activity';
import getPort from 'get-port';
import type { HostActivities } from '../../contracts/activities.ts';
import { claimStage } from '../checkpoints/claim.ts';
import { measureRoom } from '../training/room.ts';
import type { TrainingDependencies } from '../training/rank.ts';
import { trainRank } from '../training/train-rank.ts';

export interface HostDependencies extends TrainingDependencies {
  /** Tells the pool that this host is there; called when the pool seems to have forgotten it. */
  readonly join: () => Promise<void>;
}

const PRESENCE_BEAT_MS = 5000;

export function createHostActivities(dependencies: HostDependencies): HostActivities {
  return {
    async bePresent() {
      const context = Context.current();
      const beat = setInterval(() => context.heartbeat(), PRESENCE_BEAT_MS);
      try {
        await context.cancelled;
      } catch (error) {
        if (context.cancellationDetails?.workerShutdown === true) return;
        await dependencies.join();
        throw error;
      } finally {
        clearInterval(beat);
      }
    },

    measureRoom: (input) => measureRoom(dependencies.settings, input),

    async openAttempt({ run, stage, token, damaged = [] }) {
      const { cancellationSignal } = Context.current();
      const claim = await claimStage(dependencies, { run, stage }, token, damaged, cancellationSignal);
      const { checkpoint: resumeFrom, insteadOf } = claim;
      return { resumeFrom, port: await getPort(), ...(insteadOf && { insteadOf }) };
    },

    trainRank: (input) => trainRank(dependencies, input),
  };
}
