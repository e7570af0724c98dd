/**
 * @module Why an artifact could not be fetched, as a closed union: the caller decides by `kind`, people read the message.
 *
 * All kinds but `unavailable` are final: the same call would end the same way until a person changes something.
 */
export type FetchErrorKind =
  /** The source string, or the address behind it, cannot be downloaded from at all. */
  | 'unusableSource'
  /** 401, 403: credentials are missing, or terms of use were not accepted. */
  | 'unauthorized'
  /** 404, 410. */
  | 'notFound'
  /** The file is no longer the one that the download began with, or that was pinned. */
  | 'sourceChanged'
  /** Size or checksum is not what was promised. */
  | 'wrongContent'
  /** No one answered well for as long as the retry policy says; a later call continues where this one ended. */
  | 'unavailable';

export class FetchError extends Error {
  override readonly name = 'FetchError';
  readonly kind: FetchErrorKind;
  /** How long the server asked to be left alone, in milliseconds. */
  readonly retryAfterMs: number | undefined;

  constructor(kind: FetchErrorKind, message: string, options: ErrorOptions & { retryAfterMs?: number } = {}) {
    super(message, options);
    this.kind = kind;
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** All sources failed: one that may pass makes the whole worth another call, otherwise the first decides. */
export function combine(failures: readonly FetchError[]): FetchError {
  const [first] = failures;
  if (first === undefined) return new FetchError('unusableSource', 'no source is given to download from');
  if (failures.length === 1) return first;
  const leading = failures.find(({ kind }) => kind === 'unavailable') ?? first;
  const all = failures.map(({ message }, index) => `${index + 1}. ${message}`).join('; ');
  return new FetchError(leading.kind, `none of ${failures.length} sources would do: ${all}`, {
    cause: leading,
    ...(leading.retryAfterMs !== undefined && { retryAfterMs: leading.retryAfterMs }),
  });
}
