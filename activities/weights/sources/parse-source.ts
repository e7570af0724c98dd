/** @module Source strings, as catalogues have them, parsed into a closed union. */
import { isAbsolute, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FetchError } from './fetch-error.ts';
import { shortName } from '../../torch-file/torch-file-error.ts';

export type Source =
  | { readonly kind: 'http'; readonly url: string }
  | {
      readonly kind: 'huggingFace';
      /** `owner/name`, or below `spaces/` or `datasets/`. */
      readonly repository: string;
      readonly revision: string;
      readonly path: string;
    }
  | { readonly kind: 's3'; readonly bucket: string; readonly key: string }
  /** An absolute path on the machine that downloads. */
  | { readonly kind: 'file'; readonly path: string };

const HUGGING_FACE = /^hf:\/\/((?:spaces\/|datasets\/)?[\w.-]+\/[\w.-]+)(?:@([^/?#]+))?\/([^?#]+)$/;
const S3 = /^s3:\/\/([a-z0-9][a-z0-9.-]+)\/(.+)$/;

/**
 * Understands `https://…`, `http://…`, `hf://[spaces/|datasets/]owner/name[@revision]/path`, `s3://bucket/key`,
 * `file:///absolute/path`, and a relative path of a file in the GLEE checkout.
 *
 * @param checkout Absolute path of the checkout that relative paths are below.
 * @throws FetchError `unusableSource`
 */
export function parseSource(text: string, checkout?: string): Source {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(text)?.[1]?.toLowerCase();
  switch (scheme) {
    case 'https':
    case 'http':
      return { kind: 'http', url: parseUrl(text).href };
    case 'hf':
      return parseHuggingFace(text);
    case 's3':
      return parseS3(text);
    case 'file':
      return parseFile(text);
    case undefined:
      return parseRelative(text, checkout);
    default:
      throw unusable(`${scheme}:…`, 'is none of https://, http://, hf://, s3://, file:/// or a path');
  }
}

function parseHuggingFace(text: string): Source {
  const [, repository, revision = 'main', path] = HUGGING_FACE.exec(text) ?? [];
  if (repository === undefined || path === undefined || hasDots(path)) {
    throw unusable(text, 'must be hf://[spaces/|datasets/]owner/name[@revision]/path');
  }
  return { kind: 'huggingFace', repository, revision: decode(text, revision), path };
}

function parseS3(text: string): Source {
  const [, bucket, key] = S3.exec(text) ?? [];
  if (bucket === undefined || key === undefined) throw unusable(text, 'must be s3://bucket/key');
  return { kind: 's3', bucket, key };
}

function parseFile(text: string): Source {
  try {
    return { kind: 'file', path: fileURLToPath(text) };
  } catch (cause) {
    throw unusable(text, 'must be file:///absolute/path', cause);
  }
}

function parseRelative(text: string, checkout: string | undefined): Source {
  if (text.trim() === '') throw unusable(text, 'is empty');
  if (isAbsolute(text)) throw unusable(text, `is an absolute path: write file://${shortName(text)}`);
  if (hasDots(text)) throw unusable(text, 'leaves the GLEE checkout');
  if (checkout === undefined) throw unusable(text, 'is a path in a GLEE checkout, and none is given here');
  return { kind: 'file', path: join(checkout, normalize(text)) };
}

function hasDots(path: string): boolean {
  return path.split('/').includes('..');
}

function parseUrl(text: string): URL {
  if (URL.canParse(text)) return new URL(text);
  // The text is left out: what cannot be parsed cannot be freed of credentials either.
  throw new FetchError('unusableSource', 'a source that begins with http is not a valid URL');
}

function decode(text: string, part: string): string {
  try {
    return decodeURIComponent(part);
  } catch (cause) {
    throw unusable(text, 'has a broken % escape', cause);
  }
}

function unusable(text: string, problem: string, cause?: unknown): FetchError {
  return new FetchError('unusableSource', `source '${shortName(text)}' ${problem}`, { cause });
}
