/** @module Web pages in the place of files: sign-in forms and errors, which many servers send with status 200. */
import { FetchError } from './fetch-error.ts';

/** So many bytes tell a page, after white space and a byte order mark. */
const ENOUGH_BYTES = 64;
const PAGE = /^\s*<(!doctype\s+html|html)\b/i;

/** @throws FetchError `wrongContent` where the address is not that of a page. */
export function mayBePage(address: string, from = ''): void {
  if (/\.html?$/i.test(address)) return;
  throw new FetchError('wrongContent', `${address} answers with a web page instead of the file${from}`);
}

/** The bytes of a whole file as they come, once the first of them are not a page's. @throws FetchError `wrongContent` */
export async function* noPage(bytes: AsyncIterable<Uint8Array>, address: string): AsyncGenerator<Uint8Array> {
  let begin: Uint8Array | undefined = new Uint8Array();
  for await (const chunk of bytes) {
    if (begin === undefined) {
      yield chunk;
      continue;
    }
    begin = Buffer.concat([begin, chunk]);
    if (begin.length < ENOUGH_BYTES) continue;
    yield checked(begin, address);
    begin = undefined;
  }
  if (begin !== undefined && begin.length > 0) yield checked(begin, address);
}

function checked(begin: Uint8Array, address: string): Uint8Array {
  // The decoder leaves a byte order mark out.
  const text = new TextDecoder('utf-8').decode(begin.subarray(0, ENOUGH_BYTES));
  if (PAGE.test(text)) mayBePage(address);
  return begin;
}
