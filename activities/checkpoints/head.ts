/**
 * @module The head of a stage: the one object that all attempts contend for, changed only by conditional writes.
 *
 * Rules: the token never falls. Only the attempt whose token the head bears may change its checkpoint. Iterations never
 * fall, but when an attempt finds that the head's checkpoint is damaged, or goes back because the training diverged:
 * then an older one takes its place.
 */
import type { Checkpoint, Head, LeftLine } from '../../contracts/checkpoints.ts';
import { keys } from '../../contracts/ids.ts';
import { fail } from '../support/failures.ts';
import type { ObjectStore, Version } from '../storage/ports/object-store.ts';
import { UnreadableObject } from '../files/bounded-json.ts';
import { headSchema, readObject } from '../storage/schemas.ts';
import type { StageKey } from './snapshot.ts';

/** Tokens are milliseconds of a clock, or one more than the one before: none that was given is as far ahead. */
const MOST_AHEAD_MS = 7 * 86_400_000;

/** Contenders are few and each round one of them wins: more conflicts than this are not theirs. */
const MOST_CONFLICTS = 100;

export async function readHead(store: ObjectStore, { run, stage }: StageKey): Promise<Head | undefined> {
  return (await readObject(store, keys.head(run, stage), headSchema))?.value;
}

/** The head as an attempt finds it that is about to change it. Throws Superseded when a newer attempt has the stage. */
export async function readHeadFor(
  store: ObjectStore,
  stage: StageKey,
  token: number,
  signal?: AbortSignal,
): Promise<{ readonly value: Head; readonly version: Version } | undefined> {
  if (isAhead(token))
    throw fail('DamagedHead', `token ${token} of ${stage.run}/${stage.stage} is ${FAR}: ${WHOSE}`);
  const name = keys.head(stage.run, stage.stage);
  const address = `s3://${store.bucket}/${store.keyOf(name)}`;
  const found = await readObject(store, name, headSchema, signal).catch((error: unknown) => {
    if (error instanceof UnreadableObject) throw fail('DamagedHead', `${error.message}; ${NEW_HEAD}`);
    throw error;
  });
  if (found === undefined) return undefined;
  const { token: newest } = found.value;
  if (isAhead(newest))
    throw fail('DamagedHead', `the token in ${address}, ${newest}, is ${FAR}: ${WHOSE}; ${NEW_TOKEN}`);
  if (newest > token) throw superseded(stage, token, newest);
  return found;
}

const FAR = 'more than a week ahead of the clock of this host';
const WHOSE = 'no pool has given it, or the clock is wrong';
const NEW_TOKEN = 'write the object again with "token": 1 and all else as it is, then start the run again';
const NEW_HEAD =
  'put an earlier version of it back, or write {"token":1,"checkpoint":…} with the manifest of the newest good checkpoint (attempts/*/model_*.pth.json), then start the run again';

function isAhead(token: number): boolean {
  return token > Date.now() + MOST_AHEAD_MS;
}

/**
 * Takes the stage for an attempt: from here on, no older attempt can commit. Asked twice, it answers the same.
 *
 * @throws Superseded when a newer attempt has the stage; DamagedHead when the head, or the token, cannot be believed.
 */
export function claimHead(store: ObjectStore, stage: StageKey, token: number): Promise<Head> {
  return changeHead(store, stage, token, (head) => head);
}

/**
 * Makes a checkpoint, whose files and manifest S3 has already, the newest good one.
 *
 * @throws Superseded when a newer attempt has the stage.
 */
export async function commitHead(
  store: ObjectStore,
  checkpoint: Checkpoint,
  signal?: AbortSignal,
): Promise<void> {
  const change = ({ checkpoint: current, ...rest }: Head) => {
    const isOlder = current !== null && current.iterations > checkpoint.iterations;
    return { ...rest, checkpoint: isOlder ? current : checkpoint };
  };
  await changeHead(store, checkpoint, checkpoint.token, change, signal);
}

/**
 * Goes back to an older checkpoint, unless the head names another than the damaged one by now.
 *
 * @throws Superseded when a newer attempt has the stage.
 */
export async function replaceInHead(
  store: ObjectStore,
  stage: StageKey,
  token: number,
  { damaged, by }: { readonly damaged: Checkpoint; readonly by: Checkpoint },
  signal: AbortSignal,
): Promise<void> {
  const change = ({ checkpoint: current, ...rest }: Head) => {
    const isDamaged = current?.token === damaged.token && current.name === damaged.name;
    return { ...rest, checkpoint: isDamaged ? by : current };
  };
  await changeHead(store, stage, token, change, signal);
}

/**
 * Continues from an older checkpoint, or from none: what older attempts have beyond it is never continued from again. Once
 * for each attempt: asked twice, it has been done.
 *
 * @throws Superseded when a newer attempt has the stage.
 */
export async function leaveLine(
  store: ObjectStore,
  stage: StageKey,
  token: number,
  to: Checkpoint | null,
  signal: AbortSignal,
): Promise<void> {
  const change = (head: Head): Head => {
    const left: readonly LeftLine[] = head.left ?? [];
    if (left.some(({ by }) => by === token)) return head;
    return { ...head, checkpoint: to, left: [...left, { by: token, after: to?.iterations ?? 0 }] };
  };
  await changeHead(store, stage, token, change, signal);
}

async function changeHead(
  store: ObjectStore,
  stage: StageKey,
  token: number,
  change: (head: Head) => Head,
  signal?: AbortSignal,
): Promise<Head> {
  const name = keys.head(stage.run, stage.stage);
  for (let round = 0; round < MOST_CONFLICTS; round += 1) {
    const found = await readHeadFor(store, stage, token, signal);
    const next: Head = { ...change(found?.value ?? { token, checkpoint: null }), token };
    const condition = found === undefined ? { ifNoneMatch: '*' as const } : { ifMatch: found.version };
    const text = JSON.stringify(next, undefined, 2);
    // A conflict may also be our own write whose answer was lost: the next round reads what became of it.
    if ((await store.writeText(name, text, condition, signal)) === 'written') return next;
  }
  throw new Error(
    `s3://${store.bucket}/${store.keyOf(name)} refused ${MOST_CONFLICTS} conditional writes in a row: does this S3, or a proxy before it, keep ETags and If-Match as they are?`,
  );
}

function superseded({ run, stage }: StageKey, token: number, newer: number): Error {
  return fail('Superseded', `attempt ${token} of ${run}/${stage} was replaced by attempt ${newer}`);
}
