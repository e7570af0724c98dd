/** @module A GLEE checkout on this machine: whether it is one, what it holds, and which config keys it defines. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Problem } from '../../contracts/plan.ts';
import { askCheckoutKeys } from './checkout-keys.ts';
import { readGleeConfig } from './glee-config.ts';
import { gleeKeys, type KeyType } from './glee-keys.ts';
import { leavesOf } from '../reading/nested-settings.ts';

const LAUNCHER = 'launch.py';
const TRAINER = 'projects/GLEE/train_net.py';
const CONFIGS = 'projects/GLEE/configs';
/** Where GLEE adds its keys to detectron2's: `cfg.MODEL.SWIN.EMBED_DIM = 96`. */
const KEY_DEFINITIONS = 'projects/GLEE/glee/config.py';

export interface CheckoutFindings {
  /** False where there is no checkout to look into at all. */
  readonly usable: boolean;
  readonly problems: readonly Problem[];
}

/** Whether the folder is a GLEE checkout. */
export async function inspectCheckout(checkout: string): Promise<CheckoutFindings> {
  const problem = (message: string): Problem => ({ level: 'error', file: checkout, key: '', message });
  const advice = 'set GLEE_CHECKOUT to the folder of a GLEE checkout';
  const folder = await stat(checkout).catch(() => undefined);
  if (folder?.isDirectory() !== true) {
    return { usable: false, problems: [problem(`there is no such folder: ${advice}`)] };
  }
  const missing: string[] = [];
  for (const file of [LAUNCHER, TRAINER]) if (!(await hasFile(checkout, file))) missing.push(file);
  if (missing.length === 2) {
    const message = `is no GLEE checkout, it has neither ${LAUNCHER} nor ${TRAINER}: ${advice}`;
    return { usable: false, problems: [problem(message)] };
  }
  const problems = missing.map((file) => problem(`${file} is missing from the GLEE checkout: restore it`));
  return { usable: true, problems };
}

export async function hasFile(checkout: string, file: string): Promise<boolean> {
  const found = await stat(join(checkout, file)).catch(() => undefined);
  return found?.isFile() ?? false;
}

/** All GLEE configs of the checkout, relative to its root. */
export async function listGleeConfigs(checkout: string): Promise<string[]> {
  const files = await readdir(join(checkout, CONFIGS), { recursive: true }).catch(() => []);
  return files.filter((file) => file.endsWith('.yaml')).map((file) => `${CONFIGS}/${file}`);
}

export interface KnownKeys {
  readonly types: ReadonlyMap<string, KeyType>;
  /** The checkout's own code was asked: it defines no others. */
  readonly complete: boolean;
}

/**
 * The keys that the checkout defines. Where its Python can't tell: those of GLEE and detectron2, and what this checkout
 * has in its configs or its config.py besides.
 */
export async function knownKeys(checkout: string, python: string | undefined): Promise<KnownKeys> {
  const asked = python === undefined ? undefined : await askCheckoutKeys(checkout, python);
  if (asked !== undefined) return { types: asked, complete: true };
  const types = new Map(gleeKeys());
  const code = await readFile(join(checkout, KEY_DEFINITIONS), 'utf8').catch(() => '');
  const defined = [...code.matchAll(/^\s*cfg\.([\w.]+)\s*=(?!\s*CN\()/gm)].map((match) => match[1] ?? '');
  const configs = await Promise.all(
    // One that can't be read is another's config: those of the plan are read, and reported, by themselves.
    (await listGleeConfigs(checkout)).map((file) => readGleeConfig(checkout, file).catch(() => ({}))),
  );
  const used = configs.flatMap((settings) => leavesOf(settings).map(({ path }) => path.join('.')));
  for (const key of [...defined, ...used]) if (!types.has(key)) types.set(key, 'any');
  return { types, complete: false };
}

/** SHA-256 and size of a file, read as a stream: weights have gigabytes. */
async function checksum(path: string): Promise<{ sha256: string; sizeBytes: number }> {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
    if (!Buffer.isBuffer(chunk)) throw new TypeError(`${path}: a stream without encoding gives buffers`);
    hash.update(chunk);
    sizeBytes += chunk.length;
  }
  return { sha256: hash.digest('hex'), sizeBytes };
}

/** The same, for many who ask for the same files: each is read once. */
export function checksumOnce(): typeof checksum {
  const known = new Map<string, ReturnType<typeof checksum>>();
  return (path) => {
    const found = known.get(path) ?? checksum(path);
    known.set(path, found);
    return found;
  };
}
