/**
 * @module Invariants of S3: every stage's head is readable and whole at every moment, its token never falls, and its
 * iterations fall only with an abandoned lineage. Read from the server's files, which are there while it is not.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { headSchema } from '../../activities/storage/schemas.ts';
import type { Checkpoint, Head } from '../../contracts/checkpoints.ts';
import type { Violation } from './story.ts';

/** Keys of a bucket whose objects are files, as versitygw's are. */
export interface Objects {
  /** Undefined where there is no such object. */
  read(key: string): Promise<Buffer | undefined>;
  /** Keys of all heads. */
  heads(): Promise<readonly string[]>;
}

export class HeadRules {
  readonly #objects: Objects;
  readonly #last = new Map<string, Head>();
  /** SHA-256 is read once for each file: what is written once does not change. */
  readonly #proven = new Set<string>();

  constructor(objects: Objects) {
    this.#objects = objects;
  }

  async check(): Promise<readonly Violation[]> {
    const found = [];
    for (const key of await this.#objects.heads()) found.push(...(await this.#checkOne(key)));
    return found;
  }

  async #checkOne(key: string): Promise<readonly Violation[]> {
    const text = await this.#objects.read(key);
    if (text === undefined) return [{ rule: 'head is there', text: `${key} is gone` }];
    const head = parseHead(text);
    if (head === undefined)
      return [{ rule: 'head is readable', text: `${key} is '${text.toString('utf8', 0, 200)}'` }];
    const before = this.#last.get(key);
    this.#last.set(key, head);
    const found = [...fallen(key, before, head)];
    const damage = head.checkpoint === null ? undefined : await this.#damage(head.checkpoint);
    // Retention may have taken it since, when the head names another one by now.
    const now = parseHead((await this.#objects.read(key)) ?? Buffer.alloc(0));
    if (damage !== undefined && now?.checkpoint?.file.key === head.checkpoint?.file.key)
      found.push({ rule: 'head is whole', text: `${key} names ${damage}` });
    return found;
  }

  async #damage({ file }: Checkpoint): Promise<string | undefined> {
    const bytes = await this.#objects.read(file.key);
    if (bytes === undefined) return `${file.key}, which is not there`;
    if (bytes.length !== file.sizeBytes) return `${file.key}, which has ${bytes.length} bytes`;
    if (this.#proven.has(file.key)) return undefined;
    if (createHash('sha256').update(bytes).digest('hex') !== file.sha256)
      return `${file.key}, whose SHA-256 differs`;
    this.#proven.add(file.key);
    return undefined;
  }
}

export function fallen(key: string, before: Head | undefined, head: Head): readonly Violation[] {
  if (before === undefined) return [];
  const found: Violation[] = [];
  if (head.token < before.token)
    found.push({
      rule: 'token never falls',
      text: `${key}: ${before.token}, then ${head.token}`,
    });
  const [was, is] = [before, head].map(({ checkpoint }) => checkpoint?.iterations ?? 0);
  const abandoned = (head.left?.length ?? 0) > (before.left?.length ?? 0);
  if (was !== undefined && is !== undefined && is < was && !abandoned)
    found.push({ rule: 'iterations never fall', text: `${key}: ${was}, then ${is}` });
  return found;
}

/** The embedded S3 server's bucket. */
export function objectsIn(folder: string): Objects {
  const read = (key: string) => readFile(join(folder, key)).catch(() => undefined);
  return {
    read,
    async heads() {
      const runs = await readdir(join(folder, 'runs')).catch(() => []);
      const keys = await Promise.all(
        runs.map(async (run) => {
          const stages = await readdir(join(folder, 'runs', run)).catch(() => []);
          return stages.map((stage) => `runs/${run}/${stage}/head.json`);
        }),
      );
      const there = await Promise.all(
        keys.flat().map(async (key) => ((await read(key)) === undefined ? [] : [key])),
      );
      return there.flat();
    },
  };
}

function parseHead(text: Buffer): Head | undefined {
  try {
    const parsed = headSchema.safeParse(JSON.parse(text.toString('utf8')));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}
