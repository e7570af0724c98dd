/**
 * @module The scratch folder as a GPU worker needs it: no one else may put files there, which it would believe, and no
 * other machine uses it at the same time, whose trainers it would not see.
 */
import { lstat, mkdir, realpath, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { z } from 'zod';
import { machineIdentity } from '../activities/training/jobs/machine-identity.ts';
import { writeFileAtomically } from '../activities/files/atomic-files.ts';
import { readRegularText } from '../activities/files/regular-files.ts';
import { EnvironmentError } from '../planning/environment/environment-error.ts';

const OWNER_FILE = 'owner.json';
const LARGEST_OWNER_BYTES = 4096;
/** The owner says so often that its worker lives; one that says nothing for longer than some of these does not. */
const BEAT_MS = 5000;
const SILENCE_MS = 17_000;

const ownerSchema = z.object({ host: z.string(), place: z.string(), beat: z.number() });
type Owner = z.infer<typeof ownerSchema>;

/**
 * Makes the folder where there is none.
 * @returns Its path without links.
 * @throws EnvironmentError saying what is wrong with it, and what to do.
 */
export async function prepareScratch(path: string): Promise<string> {
  const wrong = (what: string) => new EnvironmentError(`GLEE_SCRATCH ${path} ${what}`);
  await mkdir(path, { recursive: true, mode: 0o700 }).catch((error: unknown) => {
    throw wrong(`cannot be made: ${String(error)}`);
  });
  const folder = await realpath(path);
  const { uid, mode } = await stat(folder);
  const me = process.getuid?.();
  if (uid !== me) throw wrong(`belongs to user ${uid}: give the worker, user ${me}, a folder of its own`);
  if ((mode & 0o022) !== 0) throw wrong(`may be written to by others: chmod go-w ${folder}`);
  for (let parent = dirname(folder); ; parent = dirname(parent)) {
    const above = await lstat(parent);
    // Where the sticky bit is set, as on /tmp, others can't move what is ours.
    if ((above.mode & 0o1002) === 0o0002)
      throw wrong(`lies below ${parent}, where anyone may put another in its place: use another folder`);
    if (parent === dirname(parent)) return folder;
  }
}

export interface ScratchClaim {
  readonly scratch: string;
  readonly host: string;
  readonly log: Logger;
  /** Of the worker. */
  readonly signal: AbortSignal;
  readonly beatMs?: number;
  readonly silenceMs?: number;
}

/**
 * Writes down that this machine uses the folder, and keeps saying so. Another machine's word counts as long as it is
 * renewed: what is left by a container or a boot before this one is not.
 *
 * @returns Resolves when the signal is aborted; rejects with an EnvironmentError when another machine has taken the folder.
 * @throws EnvironmentError naming the other machine, where one uses it.
 */
export async function claimScratch(claim: ScratchClaim): Promise<{ readonly kept: Promise<void> }> {
  const { scratch, host } = claim;
  const { place } = await machineIdentity(scratch);
  await untilFree(claim, place);
  let beat = Date.now();
  const say = () => writeFileAtomically(join(scratch, OWNER_FILE), JSON.stringify({ host, place, beat }));
  await say();
  const keep = async () => {
    while (await isOver(claim.beatMs ?? BEAT_MS, claim.signal)) {
      const owner = await readOwner(scratch);
      if (owner !== undefined && owner.place !== place) throw taken(scratch, owner);
      beat += 1;
      await say().catch((error: unknown) => {
        claim.log.warn(
          { error: String(error) },
          'cannot write down that this machine uses the scratch folder',
        );
      });
    }
  };
  return { kept: keep() };
}

async function untilFree({ scratch, log, signal, ...times }: ScratchClaim, place: string): Promise<void> {
  const { beatMs = BEAT_MS, silenceMs = SILENCE_MS } = times;
  const before = await readOwner(scratch);
  if (before === undefined || before.place === place) return;
  log.info(
    { scratch, owner: before },
    'another machine has used the scratch folder: waiting whether it still does',
  );
  for (const deadline = Date.now() + silenceMs; Date.now() < deadline;) {
    await delay(Math.min(beatMs, silenceMs) / 4, undefined, { signal });
    const now = await readOwner(scratch);
    if (now !== undefined && now.place !== place && now.beat !== before.beat) throw taken(scratch, now);
  }
}

function taken(scratch: string, { host, place }: Owner): EnvironmentError {
  return new EnvironmentError(
    `GLEE_SCRATCH ${scratch} is in use by another machine, whose worker is ${host} (${place}): give each machine a folder of its own`,
  );
}

async function isOver(ms: number, signal: AbortSignal): Promise<boolean> {
  return delay(ms, true, { signal }).catch(() => false);
}

/** Undefined where no one has written a proper one. */
async function readOwner(scratch: string): Promise<Owner | undefined> {
  try {
    const text = await readRegularText(join(scratch, OWNER_FILE), LARGEST_OWNER_BYTES);
    return text === undefined ? undefined : ownerSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}
