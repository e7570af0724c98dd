/**
 * @module Saves by the clock, where the plan says so: the companion is asked when the time has come. Without a companion
 * no one answers, and GLEE's own period counts.
 */
import type { Progress, TrainRankInput } from '../../../contracts/training.ts';
import type { Overrides } from '../../../contracts/plan.ts';
import { bestSavePeriod, meanSecondsToFailure } from '../../../contracts/save-period.ts';
import { readAnswer, readPhase, readSaves, requestSave } from '../progress/companion-files.ts';
import type { Job } from '../jobs/job.ts';

/** A request that no one has answered is made again after this long. */
const ASK_AGAIN_MS = 60_000;
/** GLEE's own period is so many times the clock's: it counts only where no one answers the clock. */
const BEHIND = 1.5;

export interface SaveClock {
  /**
   * Asks for a save when one is due.
   * @param pace Seconds an iteration, once known.
   * @returns What is known of the period, for people.
   */
  tick(pace: number | undefined): Promise<Pick<Progress, 'saveSeconds' | 'bestSaveSeconds'>>;
}

export function createSaveClock(job: Job, input: TrainRankInput): SaveClock {
  const { plan, resumeFrom } = input;
  let asked: { readonly id: string; readonly at: number } | undefined;
  return {
    async tick(pace) {
      const saves = await readSaves(job);
      const { best, period } = periods(input, saves.at(-1)?.stallSeconds ?? resumeFrom?.times?.stall);
      const known = { ...(best !== undefined && { bestSaveSeconds: best }) };
      if (period === undefined) {
        return { ...known, ...(pace !== undefined && { saveSeconds: pace * plan.checkpointPeriod }) };
      }
      if (await isDue(period, saves.at(-1)?.at))
        asked = { id: await requestSave(job, { stop: false }), at: Date.now() };
      return { ...known, saveSeconds: period };
    },
  };

  async function isDue(periodSeconds: number, savedAt: number | undefined): Promise<boolean> {
    const phase = await readPhase(job);
    if (phase?.phase !== 'training') return false;
    if (asked !== undefined && Date.now() - asked.at < ASK_AGAIN_MS) {
      const answer = await readAnswer(job);
      if (answer?.id !== asked.id) return false;
    }
    return Date.now() - (savedAt ?? phase.since) >= periodSeconds * 1000;
  }
}

/**
 * GLEE's own period where the clock counts: a safety net behind it, once the pace is known, so that the trainer does not
 * save more often than was asked for. Empty where it stays as it is.
 */
export function savePeriodOverride(input: TrainRankInput): Overrides {
  const { secondsPerIteration: pace, stall } = input.resumeFrom?.times ?? {};
  const { period } = periods(input, stall);
  if (period === undefined || !pace) return {};
  const iterations = Math.max(input.plan.checkpointPeriod, Math.ceil((BEHIND * period) / pace));
  return { SOLVER: { CHECKPOINT_PERIOD: iterations } };
}

interface Periods {
  /** Loses the least; undefined while no one knows what a save costs. Seconds. */
  readonly best: number | undefined;
  /** The plan's; undefined where it goes by iterations, or cannot be known yet. Seconds. */
  readonly period: number | undefined;
}

function periods({ plan, secondsToFailure }: TrainRankInput, stallSeconds: number | undefined): Periods {
  const toFailure = secondsToFailure ?? meanSecondsToFailure(0, 0);
  const best = stallSeconds === undefined ? undefined : bestSavePeriod(stallSeconds, toFailure);
  switch (plan.saveEvery?.kind) {
    case undefined:
      return { best, period: undefined };
    case 'auto':
      return { best, period: best };
    case 'seconds':
      return { best, period: plan.saveEvery.seconds };
  }
}
