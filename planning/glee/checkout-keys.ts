/**
 * @module The keys that a checkout defines, asked of its own code: detectron2's defaults with GLEE's laid over them.
 *
 * The Python that trains runs it where it can; elsewhere a list that comes with this package is taken.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { z } from 'zod';
import type { KeyType } from './glee-keys.ts';
import { packageRoot } from '../environment/package-root.ts';
import { trainerEnvironment } from '../environment/trainer-environment.ts';

/** Where keys are defined; a folder without them is not asked. */
const DEFINITIONS = ['detectron2/config/defaults.py', 'projects/GLEE/glee/config.py'] as const;

/** A second on an idle machine: neither torch nor the model is imported. */
const LONGEST_MS = 30_000;
const LARGEST_ANSWER = 1_000_000;
/** Someone may install what was missing. */
const ASKED_AGAIN_MS = 60_000;

const TYPES: ReadonlyMap<string, KeyType> = new Map([
  ['int', 'int'],
  ['float', 'float'],
  ['bool', 'bool'],
  ['str', 'str'],
  ['list', 'list'],
  ['tuple', 'list'],
]);

type Keys = ReadonlyMap<string, KeyType>;

interface Answer {
  readonly at: number;
  readonly keys: Promise<Keys | undefined>;
}

/** By Python, folder and content of the files above. */
const answers = new Map<string, Answer>();
const MOST_ANSWERS = 16;

/** All keys of the checkout with the types of their defaults; undefined where its Python can't tell. */
export async function askCheckoutKeys(checkout: string, python: string): Promise<Keys | undefined> {
  const content = await definitionsOf(checkout);
  if (content === undefined) return undefined;
  const name = [python, checkout, content].join('\n');
  const known = answers.get(name);
  if (known !== undefined && ((await known.keys) !== undefined || Date.now() - known.at < ASKED_AGAIN_MS))
    return known.keys;
  if (answers.size >= MOST_ANSWERS) answers.clear();
  const keys = ask(checkout, python);
  answers.set(name, { at: Date.now(), keys });
  return keys;
}

async function definitionsOf(checkout: string): Promise<string | undefined> {
  const hash = createHash('sha256');
  for (const file of DEFINITIONS) {
    const code = await readFile(join(checkout, file)).catch(() => undefined);
    if (code === undefined) return undefined;
    hash.update(code);
  }
  return hash.digest('hex');
}

async function ask(checkout: string, python: string): Promise<Keys | undefined> {
  const script = join(packageRoot, 'trainer/config_keys.py');
  const { failed, stdout } = await execa(python, ['-W', 'ignore', script, checkout], {
    cwd: checkout,
    env: trainerEnvironment({}),
    extendEnv: false,
    stdin: 'ignore',
    reject: false,
    timeout: LONGEST_MS,
    maxBuffer: LARGEST_ANSWER,
  });
  if (failed) return undefined;
  // What GLEE's modules print comes before.
  const parsed = answerSchema.safeParse(stdout.trimEnd().split('\n').at(-1));
  if (!parsed.success) return undefined;
  return new Map(Object.entries(parsed.data).map(([key, type]) => [key, TYPES.get(type) ?? 'any']));
}

const answerSchema = z
  .string()
  .transform((line, context): unknown => {
    try {
      return JSON.parse(line);
    } catch {
      context.addIssue({ code: 'custom', message: 'is no JSON' });
      return z.NEVER;
    }
  })
  .pipe(z.record(z.string(), z.string()).refine((keys) => Object.keys(keys).length > 0));
