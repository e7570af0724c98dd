/** @module What the S3 adapters add to S3's errors. */

/** `<operation> failed [bucket=…, key=…]: <cause>`, keeping the cause's name, by which callers tell errors apart. */
export function explain(operation: string, error: unknown, bucket: string, key: string): Error {
  if (!(error instanceof Error))
    return new Error(`S3 ${operation} failed [bucket=${bucket}, key=${key}]`, { cause: error });
  if (error.name === 'AbortError') return error;
  // It was said already, and more exactly, where it happened.
  if (error.message.startsWith('S3 ') && error.message.includes(`[bucket=${bucket}, key=`)) return error;
  const message = `S3 ${operation} failed [bucket=${bucket}, key=${key}]: ${error.message}`;
  // A DOMException, as that of a deadline, keeps the message that it was made with.
  if (error instanceof DOMException)
    return Object.assign(new Error(message, { cause: error }), { name: error.name });
  error.message = message;
  return error;
}
