/**
 * @module Follows `last_checkpoint` and commits what it names to S3 while training goes on.
 *
 * detectron2 writes the pointer after the file is complete, so what it names is whole. When S3 is away the newest is
 * tried again without end, and those in between are skipped: only the newest matters for going on.
 */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ApplicationFailure } from '@temporalio/common';
import type { Checkpoint } from '../../contracts/checkpoints.ts';
import { commitCheckpoint } from '../checkpoints/commit.ts';
import { readTextIfThere, sizeIfThere } from '../storage/files.ts';
import type { ObjectStore } from '../storage/object-store.ts';

const RETRY_MS = 1000;

export interface UploaderOptions {
  readonly store: ObjectStore;
  readonly run: string;
  readonly stage: string;
  readonly token: number;
  /** The trainer's OUTPUT_DIR. */
  readonly output: string;
  /** Iterations that `model_final.pth` stands for. */
  readonly maxIterations: number;
  /** What S3 had when the attempt began: not uploaded again. */
  readonly resumedFrom: Checkpoint | null;
}

export class Uploader {
  /** Newest checkpoint that S3 holds. */
  committed: Checkpoint | null;
  /** What keeps the newest from S3, in words. */
  trouble: string | undefined;
  readonly #options: UploaderOptions;
  #done: string | undefined;

  constructor(options: UploaderOptions) {
    this.#options = options;
    this.committed = options.resumedFrom;
    this.#done = options.resumedFrom?.name;
  }

  /** True when the trainer has finished a checkpoint that S3 does not hold. */
  async isBehind(): Promise<boolean> {
    const newest = await this.#newest();
    return newest !== undefined && newest !== this.#done;
  }

  /**
   * Commits the newest checkpoint, if it is new; tries again while S3 is in trouble.
   *
   * @throws Superseded when a newer attempt owns the stage; AbortError when the signal says so.
   */
  async catchUp(signal: AbortSignal): Promise<void> {
    for (;;) {
      signal.throwIfAborted();
      const name = await this.#newest();
      if (name === undefined || name === this.#done) return;
      try {
        this.committed = await this.#commit(name, signal);
        this.#done = name;
        this.trouble = undefined;
        await this.#removeOlder(name);
      } catch (error) {
        if (signal.aborted || error instanceof ApplicationFailure) throw error;
        this.trouble = `upload of ${name} is tried again: ${error instanceof Error ? error.message : String(error)}`;
        await delay(RETRY_MS, undefined, { signal });
      }
    }
  }

  async #newest(): Promise<string | undefined> {
    const { output } = this.#options;
    const name = (await readTextIfThere(join(output, 'last_checkpoint')))?.trim();
    // The pointer is somebody else's file: only a name of detectron2's own form, and of a file, is believed.
    if (name === undefined || !/^model_(\d{7,}|final)\.pth$/.test(name)) return undefined;
    return (await sizeIfThere(join(output, name))) === undefined ? undefined : name;
  }

  #commit(name: string, signal: AbortSignal): Promise<Checkpoint> {
    const { store, run, stage, token, output, maxIterations } = this.#options;
    const number = /^model_(\d+)\.pth$/.exec(name)?.[1];
    const saved = { run, stage, token, path: join(output, name) };
    const position =
      number === undefined
        ? { iterations: maxIterations, final: true }
        : { iterations: Number(number) + 1, final: false };
    return commitCheckpoint(store, { ...saved, ...position }, signal);
  }

  /** Once a newer one is safe in S3, older local files only fill the disk: GLEE keeps all for ever. */
  async #removeOlder(newest: string): Promise<void> {
    const { output } = this.#options;
    const files = await readdir(output);
    const older = files.filter(
      (file) => /^model_\d+\.pth$/.test(file) && (newest === 'model_final.pth' || file < newest),
    );
    await Promise.all(older.map((file) => rm(join(output, file), { force: true })));
  }
}
