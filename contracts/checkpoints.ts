/**
 * @module What S3 holds of a stage: checkpoints, and the head that says which one is the newest good one.
 *
 * Order of a commit: files, then manifest, then head with `If-Match`. A crash before the head is written leaves
 * garbage under the attempt's own prefix and the old head in place.
 */

/** A file in S3, proven by its checksum. */
export interface StoredFile {
  readonly key: string;
  readonly sha256: string;
  readonly sizeBytes: number;
  /** CRC-32 as zip and S3 use it, eight lowercase hex digits. Older manifests have none. */
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
}

/** The one small object that says which checkpoint of a stage is the newest good one, and under which token. */
export interface Head {
  /** Token of the newest attempt. Whoever holds an older one is refused. */
  readonly token: number;
  readonly checkpoint: Checkpoint | null;
}
