/** @module What the S3 SDK's errors say besides their words. */

/** HTTP status that the S3 SDK attached to an error. */
export function httpStatus(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null || !('$metadata' in error)) return undefined;
  const { $metadata: metadata } = error;
  if (typeof metadata !== 'object' || metadata === null || !('httpStatusCode' in metadata)) return undefined;
  return typeof metadata.httpStatusCode === 'number' ? metadata.httpStatusCode : undefined;
}

/** S3's names for credentials that were good. */
const EXPIRED = new Set(['ExpiredToken', 'ExpiredTokenException', 'TokenRefreshRequired', 'RequestExpired']);

/** S3 takes the credentials for expired: their provider may have newer ones. */
export function isExpired(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  // The answer to HEAD has no body, and so no name: of our requests, nothing else makes S3 say 400 there.
  return EXPIRED.has(error.name) || (error.message === 'UnknownError' && httpStatus(error) === 400);
}
