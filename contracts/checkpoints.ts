/**
 * @module What S3 holds of a stage: checkpoints, and the head that says which one is the newest good one.
 *
 * Order of a commit: files, then manifest, then head with `If-Match`. A crash before the head is written leaves
 * garbage under the attempt's own prefix and the old head in place. activities/checkpoints/PROTOCOL.md has the rules.
 */
import { runIdProblem } from './ids.ts';

/** A file in S3, proven by its checksum. */
export interface StoredFile {
  readonly key: string;
  readonly sha256: string;
  readonly sizeBytes: number;
  /** CRC-32 as zip and S3 use it, 8 hex digits: cheap enough to check while ranges stream. Absent in older manifests. */
  readonly crc32?: string;
}

/** One saved model: the file that detectron2 wrote, and which iteration it stands for. */
export interface Checkpoint {
  readonly run: string;
  readonly stage: string;
  /** Token of the attempt that wrote it. */
  readonly token: number;
  /** detectron2's name: `model_0000049.pth`, `model_final.pth`. */
  readonly name: string;
  /** Iterations trained, counted from 1: 50 for `model_0000049.pth`. */
  readonly iterations: number;
  /** True for `model_final.pth`: the stage has nothing left to train. */
  readonly final: boolean;
  readonly file: StoredFile;
  /** Epoch milliseconds on the host's clock. */
  readonly savedAt: number;
  /** Where the time went; what no one measured is absent. */
  readonly times?: CheckpointTimes;
}

/** Whether a stage that is to train up to so many iterations, or else to its end, has come there. */
export function hasArrived(
  { final, iterations }: Pick<Checkpoint, 'final' | 'iterations'>,
  until: number | undefined,
): boolean {
  return final || (until !== undefined && iterations >= until);
}

/** Seconds that a checkpoint took, step by step. The head knows those before its own writing; the manifest all. */
export interface CheckpointTimes {
  /** The trainer's pace when it was saved. */
  readonly secondsPerIteration?: number;
  /** For which the trainer stood still. */
  readonly stall?: number;
  /** Until the file was on the host's disk. */
  readonly save?: number;
  /** Into S3, its checksums compared. */
  readonly upload?: number;
  /** Manifest and head. */
  readonly commit?: number;
  /** From S3 onto a host that resumed from it, verified; the newest ones. */
  readonly restores?: readonly { readonly host: string; readonly at: number; readonly seconds: number }[];
}

/** The one small object that says which checkpoint of a stage is the newest good one, and under which token. */
export interface Head {
  /** Token of the newest attempt. Whoever holds an older one is refused. */
  readonly token: number;
  readonly checkpoint: Checkpoint | null;
  /** Where the line of checkpoints was left. Absent when it never was. */
  readonly left?: readonly LeftLine[];
}

/** An attempt went back: what older attempts have beyond that is on the line no more. */
export interface LeftLine {
  /** Token of the attempt. */
  readonly by: number;
  /** Iterations from which it continued. */
  readonly after: number;
}

/** What a diverging attempt, or a person, goes back to: the good checkpoint before the newest, or the newest up to so many iterations. */
export type GoBack = { readonly kind: 'one' } | { readonly kind: 'to'; readonly iterations: number };

/** Whether no one has gone back to before it since. */
export function isOnLine({ token, iterations }: Checkpoint, left: readonly LeftLine[] = []): boolean {
  return !left.some(({ by, after }) => token < by && iterations > after);
}

/** Which checkpoints of a stage stay, besides its head's, its final one and those that are pinned. */
export interface Retention {
  /** So many of the newest, at least 2: the one before is what a damaged one is replaced by. */
  readonly newest: number;
  /** Those whose iterations are a multiple of it, for ever. */
  readonly every?: number;
  /** Those of just so many iterations, for ever: they are to be evaluated. */
  readonly at?: readonly number[];
}

export const DEFAULT_RETENTION: Retention = { newest: 3 };

/** Is a checkpoint of so many iterations kept for ever? */
export function isMilestone({ every, at = [] }: Retention, iterations: number): boolean {
  return (every !== undefined && iterations % every === 0) || at.includes(iterations);
}

/** A checkpoint as people name it: `lite-1/stage1@50000`, `lite-1/stage1@final`, or `lite-1/stage1` for the newest good one. */
export interface CheckpointRef {
  readonly run: string;
  readonly stage: string;
  readonly which: number | 'newest' | 'final';
}

/** Undefined where the text names no checkpoint. */
export function parseCheckpointRef(text: string): CheckpointRef | undefined {
  const [, run, stage, at = 'newest'] = /^([^/@]+)\/([^/@]+)(?:@(\d{1,15}|newest|final))?$/.exec(text) ?? [];
  if (run === undefined || stage === undefined) return undefined;
  if (runIdProblem(run) !== undefined || runIdProblem(stage) !== undefined) return undefined;
  return { run, stage, which: at === 'newest' || at === 'final' ? at : Number(at) };
}

export function describeRef({ run, stage, which }: CheckpointRef): string {
  return `${run}/${stage}@${which}`;
}
