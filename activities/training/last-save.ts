/**
 * @module A trainer that has to go first saves, if it can: what it has done since its last checkpoint is not done again.
 *
 * Whether it is ended for a person's sake or because a rank has died is not said to its host. So it is looked at: a gang
 * that has lost a rank does no iteration any more, and is ended without having been waited for.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { readAnswer, readPhase, requestSave, type PhaseRecord } from './progress/companion-files.ts';
import { readExit, type TrainerExit } from './jobs/job.ts';
import type { Rank } from './rank.ts';

/** No one waits longer for a save, whatever the trainer says that it does. */
const SAVE_LIMIT_MS = 120_000;
const LOOK_EVERY_MS = 50;
/** Between two signs of progress there may be as much as this, and twice an iteration: the trainer gives one each 0.5 s. */
const PATIENCE_MS = 900;
/** The ranks end by themselves after the save: their logs and curves are closed. */
const END_MS = 3000;

/**
 * Has rank 0 save and all ranks stop, and waits for it as long as it comes nearer. Only rank 0's host asks; the others
 * wait until their ranks have stopped with it, or show that no save will come.
 *
 * @returns How the trainer has ended; undefined when it still runs.
 */
export async function saveAndStop({
  job,
  input,
  heartbeat,
}: Pick<Rank, 'job' | 'input' | 'heartbeat'>): Promise<TrainerExit | undefined> {
  const first = await readPhase(job);
  if (first === undefined || !hasWhatToSave(first)) return readExit(job);
  heartbeat.phase('saving');
  const id = input.machineRank === 0 ? await requestSave(job, { stop: true }) : undefined;
  const deadline = Date.now() + SAVE_LIMIT_MS;
  for (let [phase, changedAt] = [first, Date.now()]; Date.now() < deadline;) {
    const exit = await readExit(job);
    if (exit !== undefined) return exit;
    if (id !== undefined && (await readAnswer(job))?.id === id) return exitWithin(job, END_MS);
    const now = await readPhase(job);
    if (now !== undefined && (now.iterations !== phase.iterations || now.phase !== phase.phase)) {
      [phase, changedAt] = [now, Date.now()];
    }
    if (Date.now() - changedAt > patienceMs(phase)) return undefined;
    await delay(LOOK_EVERY_MS);
  }
  return undefined;
}

/** Before the first iteration is done there is nothing, and none to ask either. */
function hasWhatToSave({ phase, iterations, startIterations }: PhaseRecord): boolean {
  if (phase === 'saving' || phase === 'evaluating') return true;
  return phase === 'training' && iterations !== startIterations;
}

function patienceMs({ phase, longestSeconds = 0 }: PhaseRecord): number {
  // These say by themselves that they are at work, and may take minutes.
  if (phase === 'saving' || phase === 'evaluating') return SAVE_LIMIT_MS;
  return PATIENCE_MS + 2000 * longestSeconds;
}

async function exitWithin(job: Rank['job'], ms: number): Promise<TrainerExit | undefined> {
  for (const deadline = Date.now() + ms; Date.now() < deadline;) {
    const exit = await readExit(job);
    if (exit !== undefined) return exit;
    await delay(LOOK_EVERY_MS);
  }
  return undefined;
}
