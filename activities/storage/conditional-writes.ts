/**
 * @module Whether a bucket honours conditional writes. Attempts are told apart by nothing else: on an S3 that ignores
 * If-Match an older attempt commits after a newer one.
 */
import { randomUUID } from 'node:crypto';
import { fail } from '../support/failures.ts';
import type { Bucket } from './bucket.ts';
import type { ObjectStore } from './ports/object-store.ts';

type Probed = Pick<Bucket, 'store' | 'objects'>;

const PROBES = 'probes/';
const REMOVAL_MS = 10_000;

/** The header that the server ignores, or undefined where it honours both. Leaves nothing behind. */
export async function ignoredCondition(
  { store, objects }: Probed,
  signal: AbortSignal,
): Promise<'If-None-Match' | 'If-Match' | undefined> {
  const name = `${PROBES}${randomUUID()}`;
  try {
    await expectWritten(store, name, 'first', { ifNoneMatch: '*' }, signal);
    if ((await store.writeText(name, 'twice', { ifNoneMatch: '*' }, signal)) === 'written')
      return 'If-None-Match';
    const first = await store.readText(name, signal);
    if (first === undefined) throw new Error(`${store.keyOf(name)} was written and is gone`);
    await expectWritten(store, name, 'second', { ifMatch: first.version }, signal);
    const stale = await store.writeText(name, 'stale', { ifMatch: first.version }, signal);
    return stale === 'written' ? 'If-Match' : undefined;
  } finally {
    // Whatever has happened before; what stays is a few bytes.
    await objects.remove(name, AbortSignal.timeout(REMOVAL_MS)).catch(() => undefined);
  }
}

/** A write whose condition is met. */
async function expectWritten(
  store: ObjectStore,
  name: string,
  text: string,
  condition: { readonly ifMatch: string } | { readonly ifNoneMatch: '*' },
  signal: AbortSignal,
): Promise<void> {
  if ((await store.writeText(name, text, condition, signal)) === 'written') return;
  throw new Error(`the conditional write of ${store.keyOf(name)} was refused though its condition was met`);
}

export interface CheckedBucket<B extends Probed> {
  /** The bucket, whose conditional writes wait until the server was checked once. */
  readonly bucket: B;
  /**
   * Checks the server unless that was done.
   *
   * @throws ApplicationFailure StorageRefused where it ignores a condition; whatever keeps it from being known.
   */
  readonly check: (signal: AbortSignal) => Promise<void>;
}

/** A server that can't be asked now is asked before the first conditional write, and again until it has answered. */
export function withCheckedConditions<B extends Probed>(bucket: B): CheckedBucket<B> {
  const { store } = bucket;
  let known: { readonly ignored: string | undefined } | undefined;
  const check = async (signal: AbortSignal) => {
    known ??= { ignored: await ignoredCondition(bucket, signal) };
    if (known.ignored !== undefined)
      throw fail('StorageRefused', conditionProblem(store.bucket, known.ignored));
  };
  const checked: ObjectStore = {
    ...store,
    writeText: async (name, text, condition, signal) => {
      if (condition !== undefined) await check(signal ?? AbortSignal.timeout(CHECK_MS));
      return store.writeText(name, text, condition, signal);
    },
  };
  return { bucket: { ...bucket, store: checked }, check };
}

const CHECK_MS = 60_000;

export function conditionProblem(bucket: string, ignored: string): string {
  return (
    `the server of bucket '${bucket}' ignores ${ignored}, by which two attempts of a stage are told apart: an older one ` +
    `could overwrite what a newer one has committed. Use a server that honours conditional writes, as AWS S3 does; 'glee doctor' tests it`
  );
}
