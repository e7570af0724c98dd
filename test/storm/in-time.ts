/** @module Calls to servers that may be frozen: a storm must not wait for what it has frozen itself. */

const ANSWER_MS = 8000;

/** @throws where no answer has come in time; the call itself is left alone. */
export async function inTime<T>(call: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ANSWER_MS} ms`)), ANSWER_MS);
  });
  try {
    return await Promise.race([call, late]);
  } finally {
    clearTimeout(timer);
  }
}
