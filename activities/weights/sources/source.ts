/** @module What a download needs of the place that it comes from. */

/** One version of a file, as far as its source tells. */
export interface FileVersion {
  readonly sizeBytes?: number;
  /** Changes whenever the bytes do. Without one, a broken download cannot be continued. */
  readonly validator?: string;
  /** SHA-256 in hex that the source itself states. */
  readonly publishedSha256?: string;
}

export interface ArtifactSource {
  /** For people, logs and manifests: never holds credentials. */
  readonly address: string;
  /** Last part of its path, in characters that any file system and S3 take. */
  readonly fileName: string;
  /** @throws FetchError */
  describe(signal: AbortSignal): Promise<FileVersion>;
  /**
   * The bytes of just that version, from an offset on.
   *
   * @param offset In bytes; above 0 only where the version has a validator.
   * @throws FetchError `sourceChanged` when the source has another version now. The stream throws FetchErrors as well.
   */
  open(offset: number, version: FileVersion, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>>;
}

/** A part of a URL as text; as it stands where its escapes are broken. */
export function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export function fileNameOf(path: string): string {
  const name = path.split('/').findLast((part) => part !== '') ?? '';
  return name.replaceAll(/[^A-Za-z0-9._-]/g, '_').replace(/^\.+/, '') || 'file';
}
