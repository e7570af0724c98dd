/**
 * @module The rest of OUTPUT_DIR follows into S3 while training continues: curves, logs, TensorBoard's events, the config and
 * evaluations outlive the host. Checkpoints have a way of their own.
 */
import { constants, type Dirent } from 'node:fs';
import { copyFile, readdir, rm } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isNotFound } from '../../files/atomic-files.ts';
import { statRegular } from '../../files/regular-files.ts';
import type { ObjectStore } from '../../storage/ports/object-store.ts';
import { messageOf } from '../../../contracts/error-message.ts';

/** A host that dies loses at most so much of its curves. */
const INTERVAL_MS = 60_000;
/** Files that large are sent again only when they have grown by a tenth: TensorBoard's events may reach gigabytes. */
const LARGE_BYTES = 64 << 20;

export interface OutputFollowerOptions {
  readonly store: ObjectStore;
  /** OUTPUT_DIR. */
  readonly output: string;
  /** Where a file is copied to before it is sent: what is appended meanwhile waits for the next time. */
  readonly scratch: string;
  /** Name below which the files are stored. */
  readonly target: string;
}

export class OutputFollower {
  /** Why something did not reach S3, in words. */
  trouble: string | undefined;
  readonly #options: OutputFollowerOptions;
  /** Size and time of change of what S3 has. */
  readonly #sent = new Map<string, { readonly size: number; readonly mtimeMs: number }>();

  constructor(options: OutputFollowerOptions) {
    this.#options = options;
  }

  /** Follows until the signal says to stop; never throws. */
  async follow(signal: AbortSignal): Promise<void> {
    const goesOn = () => delay(INTERVAL_MS, true, { signal }).catch(() => false);
    while (await goesOn()) await this.catchUp(signal);
  }

  /** Sends what has changed, small files first; never throws: a curve is not worth a training. */
  async catchUp(signal: AbortSignal): Promise<void> {
    try {
      for (const { path, size, mtimeMs } of await this.#changed()) {
        await this.#send(path, signal);
        this.#sent.set(path, { size, mtimeMs });
      }
      this.trouble = undefined;
    } catch (error) {
      if (!signal.aborted) this.trouble = messageOf(error);
    }
  }

  async #changed() {
    const { output } = this.#options;
    const entries = await readdir(output, { recursive: true, withFileTypes: true }).catch(() => []);
    const files = await Promise.all(entries.filter(isFollowed).map((entry) => describe(output, entry)));
    return files
      .flatMap((file) => (file === undefined || !this.#isWorthSending(file) ? [] : [file]))
      .sort((a, b) => a.size - b.size);
  }

  #isWorthSending({ path, size, mtimeMs }: FollowedFile): boolean {
    const sent = this.#sent.get(path);
    if (sent === undefined) return true;
    if (size > LARGE_BYTES && size > sent.size && size < sent.size * 1.1) return false;
    return size !== sent.size || mtimeMs !== sent.mtimeMs;
  }

  async #send(path: string, signal: AbortSignal): Promise<void> {
    const { store, output, scratch, target } = this.#options;
    const copy = join(scratch, 'following.tmp');
    try {
      await copyFile(join(output, path), copy, constants.COPYFILE_FICLONE);
      await store.upload(`${target}/${path}`, copy, signal);
    } catch (error) {
      // It was removed since it was listed.
      if (!isNotFound(error)) throw error;
    } finally {
      await rm(copy, { force: true });
    }
  }
}

interface FollowedFile {
  readonly path: string;
  readonly size: number;
  readonly mtimeMs: number;
}

function isFollowed(entry: Dirent): boolean {
  return entry.isFile() && !/\.pth(\.|$)|\.tmp$|^last_checkpoint$/.test(entry.name);
}

async function describe(output: string, entry: Dirent): Promise<FollowedFile | undefined> {
  const full = join(entry.parentPath, entry.name);
  const found = await statRegular(full);
  return found && { path: relative(output, full), size: found.size, mtimeMs: found.mtimeMs };
}
