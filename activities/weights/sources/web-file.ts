/**
 * @module A file at an HTTP address, read so that two versions of it are never mixed: each later request names the
 * version that the first one saw, and an answer that does not prove to be of that version ends the download.
 */
import { FetchError } from './fetch-error.ts';
import { contentRange, mustBeFile, validatorOf, wholeSize } from './http-answers.ts';
import { noPage } from './web-page.ts';
import { decoded, fileNameOf, type ArtifactSource, type FileVersion } from './source.ts';
import { bodyOf, type Answer, type Web } from './web.ts';

/** What differs between plain servers, Hugging Face and GitHub. */
export interface WebFile {
  readonly url: URL;
  readonly address: string;
  readonly authorization: (url: URL) => string | undefined;
  /** What to do about 401 and 403. */
  readonly hint: string;
  /** What the source states of the file, found in an answer or asked for elsewhere. */
  readonly published: (answer: Answer, signal: AbortSignal) => Promise<Published>;
}

export interface Published {
  readonly sha256?: string | undefined;
  readonly sizeBytes?: number | undefined;
}

/** HEAD answers after which a GET may still go well: signed addresses often allow nothing else. */
const HEAD_REFUSED = new Set([400, 403, 405, 501]);

export function webFile(web: Web, file: WebFile): ArtifactSource {
  return {
    address: file.address,
    fileName: fileNameOf(decoded(file.url.pathname)),

    async describe(signal) {
      const answer = await ask(web, file, signal);
      if (answer.status === 416 && wholeSize(answer) === 0) return { sizeBytes: 0 };
      mustBeFile(answer, file.address, file.hint);
      return describe(file, answer, await file.published(answer, signal));
    },

    async open(offset, version, signal) {
      const { url, authorization } = file;
      const headers = offset === 0 ? {} : rangeFrom(offset, version);
      const answer = await web.request(url, { method: 'GET', headers, authorization }, signal);
      try {
        if (offset > 0 && answer.status === 416) throw changed(file, `has no byte ${offset} any more`);
        mustBeFile(answer, file.address, file.hint);
        mustBeSameVersion(file, answer, offset, version);
        await mustPublishTheSame(file, answer, version, signal);
      } catch (error) {
        letGo(answer);
        throw error;
      }
      return from(file, offset, answer, signal);
    },
  };
}

async function ask(web: Web, { url, authorization }: WebFile, signal: AbortSignal): Promise<Answer> {
  const head = await web.request(url, { method: 'HEAD', authorization }, signal);
  letGo(head);
  if (!HEAD_REFUSED.has(head.status) && (head.status >= 400 || wholeSize(head) !== undefined)) return head;
  const headers = { range: 'bytes=0-0' };
  const first = await web.request(url, { method: 'GET', headers, authorization }, signal);
  letGo(first);
  return first;
}

function describe(file: WebFile, answer: Answer, published: Published): FileVersion {
  const stated = wholeSize(answer);
  const sizeBytes = stated ?? published.sizeBytes;
  if (published.sizeBytes !== undefined && sizeBytes !== published.sizeBytes) {
    const sizes = `${published.sizeBytes} bytes, and ${answer.url.host} has ${stated}`;
    throw new FetchError('wrongContent', `${file.address} is published with ${sizes}`);
  }
  const validator = validatorOf(answer);
  return {
    ...(sizeBytes !== undefined && { sizeBytes }),
    ...(validator !== undefined && { validator }),
    ...(published.sha256 !== undefined && { publishedSha256: published.sha256 }),
  };
}

function rangeFrom(offset: number, { validator }: FileVersion): Record<string, string> {
  if (validator === undefined) throw new TypeError('a file without a validator cannot be continued');
  return { range: `bytes=${offset}-`, 'if-range': validator };
}

function mustBeSameVersion(file: WebFile, answer: Answer, offset: number, version: FileVersion): void {
  const validator = validatorOf(answer);
  // An answer to a range may leave the validator out; a whole file must prove to be the same.
  if (validator !== version.validator && (answer.status !== 206 || validator !== undefined)) {
    throw changed(file, `was ${version.validator ?? 'without a version'}, is ${validator ?? 'without one'}`);
  }
  const size = wholeSize(answer);
  if (size !== undefined && version.sizeBytes !== undefined && size !== version.sizeBytes) {
    throw changed(file, `had ${version.sizeBytes} bytes, has ${size}`);
  }
  if (answer.status !== 206) return;
  const start = contentRange(answer)?.start;
  if (start !== offset) {
    throw changed(file, `was asked for byte ${offset} and sends byte ${start}`);
  }
}

async function mustPublishTheSame(
  file: WebFile,
  answer: Answer,
  { publishedSha256 }: FileVersion,
  signal: AbortSignal,
): Promise<void> {
  if (publishedSha256 === undefined) return;
  const { sha256: now } = await file.published(answer, signal);
  if (now === undefined || now === publishedSha256) return;
  throw changed(file, `was published with sha256 ${publishedSha256}, is with ${now}`);
}

/** A server that knows no ranges sends the whole file again, proven to be the same: its beginning is skipped. */
async function* from(
  { address }: WebFile,
  offset: number,
  answer: Answer,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  let skip = answer.status === 206 ? 0 : offset;
  const body = bodyOf(answer, signal);
  for await (const chunk of offset === 0 ? noPage(body, address) : body) {
    if (skip < chunk.length) yield skip === 0 ? chunk : chunk.subarray(skip);
    skip = Math.max(0, skip - chunk.length);
  }
  if (await answer.hasSurplus()) {
    throw new FetchError('wrongContent', `${address} sends more bytes than its Content-Length says`);
  }
}

function changed({ address }: WebFile, what: string): FetchError {
  return new FetchError('sourceChanged', `${address} changed while it was downloaded: it ${what}`);
}

/** Ends the connection rather than read a body that may be gigabytes. */
function letGo({ body }: Answer): void {
  body.on('error', () => undefined).destroy();
}
