/**
 * @module Uploads that outlive the process that began them: what S3 has of one is asked for, and continued from.
 * Names are below one bucket and prefix.
 */

export interface MultipartUpload {
  readonly name: string;
  readonly uploadId: string;
}

/** A part as S3 has it. */
export interface StoredPart {
  /** From 1 to 10,000. */
  readonly number: number;
  readonly sizeBytes: number;
  readonly etag: string;
  /** Base64, as S3 gives it. */
  readonly crc32: string;
}

export interface MultipartUploads {
  begin(name: string, signal: AbortSignal): Promise<MultipartUpload>;
  /** Those of that very object that were begun and are neither completed nor aborted, the newest first. */
  find(name: string, signal: AbortSignal): Promise<readonly MultipartUpload[]>;
  /** Sends bytes under their checksum, which S3 compares before it answers. */
  putPart(
    upload: MultipartUpload,
    number: number,
    bytes: Uint8Array,
    signal: AbortSignal,
  ): Promise<StoredPart>;
  /** In the order of their numbers; undefined when S3 has no such upload: completed, aborted or swept. */
  listParts(upload: MultipartUpload, signal: AbortSignal): Promise<readonly StoredPart[] | undefined>;
  /**
   * Makes the object of just these parts. Says when there is no such upload: an earlier call may have made it.
   *
   * @param whole What the parts must give together, for S3 to compare; CRC32 in Base64.
   */
  complete(
    upload: MultipartUpload,
    parts: readonly StoredPart[],
    signal: AbortSignal,
    whole?: { readonly sizeBytes: number; readonly crc32: string },
  ): Promise<'completed' | 'noSuchUpload'>;
  /** Unfinished uploads of objects in the folder, whose name ends with '/'. */
  list(folder: string, signal: AbortSignal): Promise<readonly MultipartUpload[]>;
  /** Aborts every upload of an object in the folder, whose name ends with '/': what killed processes have left. */
  abortAll(folder: string, signal: AbortSignal): Promise<void>;
  /** Lets S3 forget the upload and its parts; also fine when it has already. */
  abort(upload: MultipartUpload, signal: AbortSignal): Promise<void>;
}
