/**
 * @module Whether a file of annotations is one. They have up to gigabytes, and a host is to be looked at in seconds: read
 * are both ends and some pieces between, in a few MiB of memory. One that was cut off just behind a bracket of the kind
 * that would end it passes, if it is large.
 */
import { isUtf8 } from 'node:buffer';
import { open, type FileHandle } from 'node:fs/promises';
import { prefixProblem } from './json-prefix.ts';

const END_BYTES = 256 << 10;
const PIECE_BYTES = 64 << 10;
const PIECES = 6;

export interface Annotations {
  /** Why it will not do; undefined where nothing speaks against it. */
  readonly problem?: string;
  /** What to do about it. */
  readonly remedy?: string;
  /** Names of images that it refers to, from all over the file. */
  readonly images: readonly string[];
  /** LVIS names images by where they came from. */
  readonly urls: readonly string[];
}

/** @throws as the file system does. */
export async function sampleAnnotations(path: string): Promise<Annotations> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    if (size === 0) return damaged('it is empty');
    const ends = [
      await piece(file, 0, END_BYTES),
      await piece(file, Math.max(0, size - END_BYTES), END_BYTES),
    ];
    const [head = '', tail = ''] = ends.map(({ text }) => text);
    if (head.startsWith('\uFEFF')) return withMark(prefixProblem(head) ?? '', path);
    const problem = prefixProblem(head, size <= END_BYTES) ?? tailProblem(head, tail, size);
    if (problem !== undefined) return damaged(problem);
    const between = await Promise.all(
      Array.from({ length: size > 2 * END_BYTES ? PIECES : 0 }, (_, index) =>
        piece(file, Math.floor(((index + 1) * size) / (PIECES + 1)), PIECE_BYTES),
      ),
    );
    // What a crash leaves of a file that was being written.
    if (between.some(({ text }) => text.includes('\0'))) return damaged('it has zeros in its middle');
    if ([...ends, ...between].some(({ isWritten }) => !isWritten)) return damaged('it is not UTF-8');
    return names([head, ...between.map(({ text }) => text), tail]);
  } finally {
    await file.close();
  }
}

function damaged(problem: string): Annotations {
  return { problem, remedy: 'fetch it again', images: [], urls: [] };
}

function withMark(problem: string, path: string): Annotations {
  const remedy = `remove it: sed -i '1s/^\\xEF\\xBB\\xBF//' '${path}'`;
  return { ...damaged(problem), remedy };
}

/** Cut off before its end is what a broken download is. */
function tailProblem(head: string, tail: string, size: number): string | undefined {
  const wanted = head.trimStart().startsWith('[') ? ']' : '}';
  if (tail.trimEnd().endsWith(wanted)) return undefined;
  return `it does not end with '${wanted}' after its ${size} bytes: it is cut off`;
}

interface Piece {
  readonly text: string;
  /** It is UTF-8, but for a character that an edge of the piece cuts. */
  readonly isWritten: boolean;
}

async function piece(file: FileHandle, position: number, length: number): Promise<Piece> {
  const { bytesRead, buffer } = await file.read(Buffer.alloc(length), 0, length, position);
  const bytes = buffer.subarray(0, bytesRead);
  return { text: bytes.toString('utf8'), isWritten: isUtf8(withoutCutCharacters(bytes)) };
}

/** A character has at most four bytes. */
function withoutCutCharacters(bytes: Buffer): Buffer {
  const isWithin = (byte: number | undefined) => byte !== undefined && (byte & 0xc0) === 0x80;
  let [from, to] = [0, bytes.length];
  while (from < 3 && isWithin(bytes[from])) from++;
  while (bytes.length - to < 4 && to > from && (bytes[to - 1] ?? 0) >= 0x80) to--;
  return bytes.subarray(from, to);
}

/** The first and the last of each piece: images that lie side by side are lost together. */
function names(pieces: readonly string[]): Annotations {
  const ofKey = (text: string, key: string) => {
    const found = [
      ...text.matchAll(
        new RegExp(`"${key}"\\s{0,9}:\\s{0,99}(?:\\[\\s{0,99})?("(?:[^"\\\\]|\\\\.){0,4096}")`, 'g'),
      ),
    ];
    return [found.at(0), found.at(-1)].flatMap((match) => decode(match?.[1]));
  };
  const all = (key: string) => [...new Set(pieces.flatMap((text) => ofKey(text, key)))];
  return { images: [...all('file_name'), ...all('file_names')], urls: all('coco_url') };
}

function decode(literal: string | undefined): string[] {
  if (literal === undefined) return [];
  try {
    const value: unknown = JSON.parse(literal);
    return typeof value === 'string' ? [value] : [];
  } catch {
    return [];
  }
}
