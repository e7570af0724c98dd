/** @module What an HTTP answer says of a file, and what its status means for a download. */
import { FetchError } from './fetch-error.ts';
import { mayBePage } from './web-page.ts';
import { shown, type Answer, type Hop } from './web.ts';

/** A strong ETag, else Last-Modified: weak ETags promise the same meaning, not the same bytes. */
export function validatorOf({ header }: Hop): string | undefined {
  const etag = header('etag');
  return etag?.startsWith('"') === true ? etag : header('last-modified');
}

// `bytes 5-9/10`, or with a star for what the server does not know or does not send.
export function contentRange({
  header,
}: Hop): { readonly start?: number; readonly total?: number } | undefined {
  const [, start, total] = /^bytes (?:(\d+)-\d+|\*)\/(\d+|\*)$/.exec(header('content-range') ?? '') ?? [];
  if (total === undefined) return undefined;
  return {
    ...(start !== undefined && { start: Number(start) }),
    ...(total !== '*' && { total: Number(total) }),
  };
}

/** Size of the whole file, whether the answer is the file or a part of it. */
export function wholeSize(answer: Hop): number | undefined {
  if (answer.status === 206 || answer.status === 416) return contentRange(answer)?.total;
  const length = answer.header('content-length');
  return length !== undefined && /^\d+$/.test(length) ? Number(length) : undefined;
}

/** @throws FetchError where an answer is not the file: a refusal, a fault, or a web page in its place. */
export function mustBeFile(answer: Answer, address: string, hint: string): void {
  if (answer.status >= 400) throw refusal(answer, address, hint);
  if (answer.status !== 200 && answer.status !== 206) {
    throw new FetchError('unusableSource', `${address} answers HTTP ${answer.status}, which is no file`);
  }
  mustBePlain(answer, address);
  if (/^text\/html\b/i.test(answer.header('content-type') ?? '')) {
    mayBePage(address, answer.via.length > 0 ? ` (from ${answer.url.host})` : '');
  }
}

/** Asked for without an encoding, a server sends one where the file was stored so: its ranges are those of packed bytes. */
function mustBePlain({ header }: Answer, address: string): void {
  const encoding = header('content-encoding') ?? '';
  if (isPlain(encoding)) return;
  throw new FetchError(
    'unusableSource',
    `${address} sends its file packed (Content-Encoding: ${encoding.slice(0, 40)}): ${UNPACK}`,
  );
}

/** What to do about a file that was stored packed. */
export const UNPACK =
  'unpack it and store it without Content-Encoding, or name another source; it would be kept as the packed bytes';

/** `aws-chunked` is about one upload's way to S3; some servers keep it. */
export function isPlain(contentEncoding: string): boolean {
  return contentEncoding.split(',').every((encoding) => /^\s*(identity|aws-chunked)?\s*$/i.test(encoding));
}

function refusal(answer: Answer, address: string, hint: string): FetchError {
  const { status } = answer;
  const at = answer.via.length > 0 ? ` (at ${shown(answer.url)})` : '';
  const said = `${address} answers HTTP ${status}${at}`;
  if (status === 401 || status === 403) return new FetchError('unauthorized', `${said}: ${hint}`);
  if (status === 404 || status === 410) return new FetchError('notFound', `${said}: there is no such file`);
  if (status === 408 || status === 429 || status >= 500) {
    const retryAfterMs = retryAfter(answer.header('retry-after'));
    const words = `${answer.url.host} answers ${status}`;
    return new FetchError('unavailable', words, retryAfterMs === undefined ? {} : { retryAfterMs });
  }
  return new FetchError('unusableSource', `${said}: nothing can be downloaded from there`);
}

/** Seconds or a date, as milliseconds from now. */
function retryAfter(header: string | undefined): number | undefined {
  if (header === undefined) return undefined;
  const ms = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}
