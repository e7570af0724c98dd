/**
 * @module Whether a file of annotations is one. They have up to gigabytes, and a host is to be looked at in seconds: read
 * are both ends and some pieces between, in a few MiB of memory. One that was cut off just behind a bracket of the kind
 * that would end it passes, if it is large.
 */
import { open, type FileHandle } from 'node:fs/promises';
import { prefixProblem } from './json-prefix.ts';

const END_BYTES = 256 << 10;
const PIECE_BYTES = 64 << 10;
const PIECES = 6;

export interface Annotations {
  /** Why it will not do; undefined where nothing speaks against it. */
  readonly problem?: string;
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
    const head = await piece(file, 0, END_BYTES);
    const tail = await piece(file, Math.max(0, size - END_BYTES), END_BYTES);
    const problem = prefixProblem(head, size <= END_BYTES) ?? tailProblem(head, tail, size);
    if (problem !== undefined) return damaged(problem);
    const between = await Promise.all(
      Array.from({ length: size > 2 * END_BYTES ? PIECES : 0 }, (_, index) =>
        piece(file, Math.floor(((index + 1) * size) / (PIECES + 1)), PIECE_BYTES),
      ),
    );
    // What a crash leaves of a file that was being written.
    if (between.some((text) => text.includes('\0'))) return damaged('it has zeros in its middle');
    return names([head, ...between, tail]);
  } finally {
    await file.close();
  }
}

function damaged(problem: string): Annotations {
  return { problem, images: [], urls: [] };
}

/** Cut off before its end is what a broken download is. */
function tailProblem(head: string, tail: string, size: number): string | undefined {
  const wanted = head.trimStart().startsWith('[') ? ']' : '}';
  if (tail.trimEnd().endsWith(wanted)) return undefined;
  return `it does not end with '${wanted}' after its ${String(size)} bytes: it is cut off`;
}

async function piece(file: FileHandle, position: number, length: number): Promise<string> {
  const { bytesRead, buffer } = await file.read(Buffer.alloc(length), 0, length, position);
  return buffer.toString('utf8', 0, bytesRead);
}

/** The first and the last of each piece: images that lie side by side are lost together. */
function names(pieces: readonly string[]): Annotations {
  const ofKey = (text: string, key: string) => {
    const found = [...text.matchAll(new RegExp(`"${key}"\\s*:\\s*\\[?\\s*("(?:[^"\\\\]|\\\\.)*")`, 'g'))];
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
