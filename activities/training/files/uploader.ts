/**
 * @module Follows `last_checkpoint` and commits what it names to S3 while training continues.
 *
 * detectron2 writes the pointer after the file is complete, so what it names is whole. When S3 is away the newest is
 * tried again without end: only the newest matters for continuing. Of those in between, only the ones that are kept for
 * ever are uploaded after it; the others retention would drop at once. The final one comes last: with it in the head no
 * attempt looks at this host again, and what is kept for ever would be missing.
 */
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ApplicationFailure } from '@temporalio/common';
import {
  DEFAULT_RETENTION,
  type Checkpoint,
  type CheckpointTimes,
  type Retention,
} from '../../../contracts/checkpoints.ts';
import {
  addTimes,
  archiveCheckpoint,
  commitCheckpoint,
  type SavedCheckpoint,
} from '../../checkpoints/commit.ts';
import { prune } from '../../checkpoints/prune.ts';
import { CHECKPOINT_NAME, manifestName } from '../../checkpoints/snapshot.ts';
import type { Bucket } from '../../storage/bucket.ts';
import { statRegular } from '../../files/regular-files.ts';
import { within } from '../../support/time-limit.ts';
import { readJobTail } from '../jobs/job-files.ts';
import { FINAL, isKept, iterationsOf } from './checkpoint-names.ts';
import { messageOf } from '../../../contracts/error-message.ts';

const RETRY_MS = 1000;
const POINTER_BYTES = 256;
/** Tidying S3 is worth no more than this of the time to the next checkpoint. */
const TIDY_MS = 60_000;

export interface UploaderOptions {
  readonly bucket: Bucket;
  readonly run: string;
  readonly stage: string;
  readonly token: number;
  /** The trainer's OUTPUT_DIR. */
  readonly output: string;
  /** Iterations that `model_final.pth` stands for. */
  readonly maxIterations: number;
  /** What S3 had when the attempt began: not uploaded again. */
  readonly resumedFrom: Checkpoint | null;
  readonly retention?: Retention;
  /** What the trainer knows of a checkpoint that it has saved. */
  readonly timesOf?: (name: string) => Promise<CheckpointTimes>;
  /** Why a file can't be a checkpoint that someone continues from, in words; undefined where it can. */
  readonly problemOf?: (path: string, signal: AbortSignal) => Promise<string | undefined>;
}

export class Uploader {
  /** Newest checkpoint that S3 holds. */
  committed: Checkpoint | null;
  /** What keeps the newest from S3, in words. */
  trouble: string | undefined;
  readonly #options: UploaderOptions;
  #done: string | undefined;
  #spreadSeconds: number | undefined;
  /** Names that S3 has. */
  readonly #stored = new Set<string>();
  /** Files that are no checkpoints, by name: as they were when that was found. */
  readonly #refused = new Map<string, string>();

  constructor(options: UploaderOptions) {
    this.#options = options;
    this.committed = options.resumedFrom;
    this.#done = options.resumedFrom?.name;
    if (this.#done !== undefined) this.#stored.add(this.#done);
  }

  /** Uploads take about so long from now on, so that the trainer's pace is not touched; undefined: as fast as they can. */
  spreadOver(seconds: number | undefined): void {
    this.#spreadSeconds = seconds;
  }

  /** True when the trainer has finished a checkpoint that S3 does not hold. */
  async isBehind(): Promise<boolean> {
    const newest = await this.#newest();
    return newest !== undefined && newest !== this.#done;
  }

  /** Of the newest checkpoint on the host's disk. */
  async newestIterations(): Promise<number | undefined> {
    const newest = await this.#newest();
    return newest === undefined ? undefined : (iterationsOf(newest) ?? this.#options.maxIterations);
  }

  /**
   * Commits the newest checkpoint, if it is new, then stores what is kept for ever of those before, which goes before
   * the final one; tries again while S3 is in trouble.
   *
   * @throws Superseded when a newer attempt owns the stage; AbortError when the signal says so.
   */
  async catchUp(signal: AbortSignal): Promise<void> {
    for (;;) {
      signal.throwIfAborted();
      const name = await this.#next(signal);
      if (name === undefined) return this.#removeOlder();
      try {
        if (await this.#isRefused(name, signal)) continue;
        await this.#store(name, signal);
        this.trouble = undefined;
        await this.#removeOlder();
      } catch (error) {
        if (signal.aborted || error instanceof ApplicationFailure) throw error;
        this.trouble = `upload of ${name} is tried again: ${messageOf(error)}`;
        await delay(RETRY_MS, undefined, { signal });
      }
    }
  }

  /**
   * For a disk that has no room for the next checkpoint: removes those that S3 has, the newest too, and those that a newer
   * one has replaced before S3 could have them. Those that are kept for ever stay until S3 has them.
   *
   * @param hasLoaded Whether the trainer has loaded what it resumes from: before that, it needs the file.
   */
  async removeReplaced(hasLoaded: boolean): Promise<void> {
    const { output, retention, resumedFrom } = this.#options;
    const newest = await this.#newest();
    for (const name of await readdir(output)) {
      if (name === resumedFrom?.name && !hasLoaded) continue;
      const isReplaced =
        iterationsOf(name) !== undefined &&
        newest !== undefined &&
        (newest === FINAL || name < newest) &&
        !isKept(name, retention);
      if (this.#stored.has(name) || isReplaced) await rm(join(output, name), { force: true });
    }
  }

  async #next(signal: AbortSignal): Promise<string | undefined> {
    const newest = await this.#newest();
    if (newest === undefined || newest === this.#done) return this.#unstored(this.#done, signal);
    return (newest === FINAL ? await this.#unstored(newest, signal) : undefined) ?? newest;
  }

  async #newest(): Promise<string | undefined> {
    const { output } = this.#options;
    const name = (await readJobTail(join(output, 'last_checkpoint'), POINTER_BYTES)).trim();
    // The pointer is someone else's file: only a name of detectron2's own form, and of a file, is believed.
    if (!CHECKPOINT_NAME.test(name)) return undefined;
    const found = await statRegular(join(output, name));
    return found === undefined || this.#refused.get(name) === stateOf(found) ? undefined : name;
  }

  /** What the head names, the next attempt loads: it must be of this stage, and whole. */
  async #isRefused(name: string, signal: AbortSignal): Promise<boolean> {
    const { output, maxIterations, problemOf } = this.#options;
    const path = join(output, name);
    const found = await statRegular(path);
    if (found === undefined) return true;
    const isBeyond = (iterationsOf(name) ?? 0) > maxIterations;
    const problem = isBeyond ? `the stage has ${maxIterations} iterations` : await problemOf?.(path, signal);
    if (problem === undefined) return false;
    this.#refused.set(name, stateOf(found));
    this.trouble = `${name} is not uploaded: ${problem}`;
    return true;
  }

  async #store(name: string, signal: AbortSignal): Promise<void> {
    const { bucket } = this.#options;
    const saved = await this.#saved(name);
    const { size } = await stat(saved.path);
    const bytesPerSecond = () => this.#spreadSeconds && size / this.#spreadSeconds;
    if (name !== (await this.#newest())) {
      await archiveCheckpoint(bucket.store, saved, signal, { bytesPerSecond });
      this.#stored.add(name);
      return;
    }
    const began = performance.now();
    const checkpoint = await commitCheckpoint(bucket.store, saved, signal, { bytesPerSecond });
    this.committed = checkpoint;
    this.#done = name;
    this.#stored.add(name);
    const took = (performance.now() - began) / 1000;
    const upload = checkpoint.times?.upload ?? 0;
    // A longer upload was that of a worker before.
    const commit = upload <= took ? took - upload : took;
    await this.#tidy(checkpoint, commit, signal);
  }

  /** The oldest local file that is kept for ever and that S3 has not: it was no longer the newest when S3 was back. */
  async #unstored(newest: string | undefined, signal: AbortSignal): Promise<string | undefined> {
    const { bucket, retention } = this.#options;
    for (const name of await this.#olderThan(newest)) {
      if (this.#stored.has(name) || this.#refused.has(name) || !isKept(name, retention)) continue;
      // A worker before this one may have stored it.
      const manifest = manifestName({ ...this.#options, name });
      if ((await bucket.objects.find(manifest, signal)) === undefined) return name;
      this.#stored.add(name);
    }
    return undefined;
  }

  async #saved(name: string): Promise<SavedCheckpoint> {
    const { run, stage, token, output, maxIterations, timesOf } = this.#options;
    const number = iterationsOf(name);
    return {
      run,
      stage,
      token,
      path: join(output, name),
      iterations: number ?? maxIterations,
      final: number === undefined,
      ...(timesOf !== undefined && { times: await timesOf(name) }),
    };
  }

  /** What retention lets go, and what it took: neither is worth a training, and both are found by the next pass. */
  async #tidy(checkpoint: Checkpoint, commit: number, signal: AbortSignal): Promise<void> {
    const { bucket, run, stage, retention = DEFAULT_RETENTION } = this.#options;
    try {
      await within(TIDY_MS, signal, async (either) => {
        await addTimes(bucket.store, checkpoint, (times) => ({ ...times, commit }), either);
        await prune(bucket, { run, stage }, { retention, running: true, graceMs: 0 }, either);
      });
    } catch {
      // The next checkpoint's pass finds what this one has left.
    }
  }

  /** Once a newer one is safe in S3, older local files only fill the disk: GLEE keeps all for ever. */
  async #removeOlder(): Promise<void> {
    const { output, retention } = this.#options;
    for (const name of await this.#olderThan(this.#done)) {
      if (this.#stored.has(name) || !isKept(name, retention)) await rm(join(output, name), { force: true });
    }
  }

  /** Local files from before a checkpoint, oldest first. */
  async #olderThan(newest: string | undefined): Promise<readonly string[]> {
    if (newest === undefined) return [];
    const files = await readdir(this.#options.output);
    return files
      .filter((file) => iterationsOf(file) !== undefined && (newest === FINAL || file < newest))
      .sort();
  }
}

function stateOf({ size, mtimeMs }: { readonly size: number; readonly mtimeMs: number }): string {
  return `${size} ${mtimeMs}`;
}
