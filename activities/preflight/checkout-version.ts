/** @module Which commit of GLEE a host trains with, and whether its files are that commit's. */
import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { failed, passed, skipped, type Finding } from './finding.ts';
import { runBriefly } from './run-briefly.ts';

const LIMIT_MS = 20_000;

export interface CheckoutLook {
  readonly finding: Finding;
  /** The same for equal checkouts: the commit, and beside it a checksum of what differs from it. */
  readonly checkout?: string;
}

export async function lookAtCheckout(checkout: string, signal: AbortSignal): Promise<CheckoutLook> {
  const isThere = (path: string) =>
    stat(path).then(
      () => true,
      () => false,
    );
  if (
    !(await isThere(join(checkout, 'launch.py'))) &&
    !(await isThere(join(checkout, 'projects/GLEE/train_net.py')))
  )
    return { finding: failed(`${checkout} is no GLEE checkout: put one there, or mend GLEE_CHECKOUT`) };
  // A folder inside of someone else's repository has that one's commit.
  if (!(await isThere(join(checkout, '.git'))))
    return { finding: skipped(`${checkout} is no git checkout: its commit is not known`) };
  const git = (...args: readonly string[]) =>
    runBriefly('git', inside(checkout, args), { limitMs: LIMIT_MS, signal });
  const [commit, changes] = await Promise.all([
    git('rev-parse', 'HEAD'),
    git('diff', 'HEAD', '--no-ext-diff'),
  ]);
  if (changes === '') return { finding: passed(`commit ${commit}`), checkout: commit };
  const sha256 = createHash('sha256').update(changes).digest('hex').slice(0, 8);
  const text = `${commit}, changed (${sha256})`;
  return { finding: passed(`commit ${text}`), checkout: text };
}

/** It may be another user's, and is only read: not even git's index is brought up to date. */
function inside(checkout: string, args: readonly string[]): readonly string[] {
  return ['-c', `safe.directory=${checkout}`, '--no-optional-locks', '-C', checkout, ...args];
}
