/**
 * @module How often to save: Young's and Daly's first-order optimum, √(2 · cost · mean time to failure)
 * (Young 1974; Daly 2006), with what is not known yet assumed.
 */

/** What published clusters of some 64 GPUs saw lies at 5 to 110 days; most estimates are above 16. Counts as one failure. */
const ASSUMED_SECONDS_TO_FAILURE = 10 * 86_400;
/** Below it, saving is most of what the trainer does; above, a person looks in vain for a sign of progress. */
const SHORTEST_SECONDS = 10;
const LONGEST_SECONDS = 86_400;

/** Mean time between failures, from what a stage has seen and what is assumed before it has seen anything. */
export function meanSecondsToFailure(trainedSeconds: number, failures: number): number {
  return (trainedSeconds + ASSUMED_SECONDS_TO_FAILURE) / (failures + 1);
}

/**
 * The period, in seconds, that loses the least between saving too often and repeating too much.
 * @param stallSeconds For which the trainer stands still for one save.
 */
export function bestSavePeriod(stallSeconds: number, secondsToFailure: number): number {
  const best = Math.sqrt(2 * stallSeconds * secondsToFailure);
  return Math.min(LONGEST_SECONDS, Math.max(SHORTEST_SECONDS, best));
}
