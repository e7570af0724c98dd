/**
 * @module How large a sweep may be. Its whole state crosses a continue-as-new in one payload, and Temporal takes none
 * above 2 MB: a sweep at all of these bounds stays below that.
 */

/** Trials of one sweep. */
export const MOST_TRIALS = 5000;
/** Reports kept of one trial; beyond it only those at rungs and the newest. */
export const MOST_REPORTS = 16;
/** Rungs of one ladder, so that each has room for a report, and one more at the trial's end. */
export const MOST_RUNGS = MOST_REPORTS - 1;
/** Reports that all trials of a sweep may have together: one at each rung and one at the end. */
export const MOST_SWEEP_REPORTS = 20_000;
/** Groups of one sweep: each has a row on the leaderboard. */
export const MOST_GROUPS = 1000;
/** Bytes of a group's name in UTF-8. */
export const LONGEST_GROUP_BYTES = 64;
/** Trials that people may add to one sweep: their parameters are part of its state. */
export const MOST_ADDED_TRIALS = 100;
/** Bytes of an added trial's parameters as JSON. */
export const LONGEST_PARAMETERS_BYTES = 2000;
/** Bytes of the text that says why a trial failed or was stopped; longer ones are cut. */
export const LONGEST_WHY_BYTES = 300;
