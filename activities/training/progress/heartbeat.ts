/**
 * @module The heartbeat of a train activity: progress out, cancellation in.
 */
import { Context } from '@temporalio/activity';
import { z } from 'zod';
import type { Phase, Progress, TrainRankInput } from '../../../contracts/training.ts';

/** A cancellation comes with the answer to a heartbeat: at most so much later. */
const HEARTBEAT_MS = 1000;

export interface Heartbeat {
  readonly show: (progress: Progress) => void;
  readonly phase: (phase: Phase) => void;
  readonly stop: () => void;
}

/**
 * Beats until it is stopped, whatever the activity does meanwhile.
 * @param troubleOf What waits and why, in words, as long as there is such a thing.
 */
export function startHeartbeat(
  input: TrainRankInput,
  host: string,
  troubleOf: () => string | undefined,
): Heartbeat {
  const context = Context.current();
  const { machineRank, attempt, plan } = input;
  const safeBefore = committedBefore(context.info.heartbeatDetails);
  let progress: Progress = {
    host,
    machineRank,
    attempt,
    phase: 'preparing',
    maxIterations: plan.maxIterations,
  };
  const beat = () => {
    const notes = [troubleOf() ?? [], progress.note ?? []].flat();
    const committed = Math.max(progress.committedIterations ?? 0, safeBefore);
    context.heartbeat({
      ...progress,
      ...(committed > 0 && { committedIterations: committed }),
      ...(notes.length > 0 && { note: notes.join('; ') }),
    });
  };
  const timer = setInterval(beat, HEARTBEAT_MS);
  beat();
  return {
    show: (newest) => (progress = newest),
    phase: (phase) => {
      progress = { ...progress, phase };
      beat();
    },
    stop: () => clearInterval(timer),
  };
}

const detailsSchema = z.object({ committedIterations: z.number() });

/** What an earlier attempt of the activity had committed for this trainer: whoever adopts it does not know that yet. */
function committedBefore(details: unknown): number {
  const parsed = detailsSchema.safeParse(details);
  return parsed.success ? parsed.data.committedIterations : 0;
}
