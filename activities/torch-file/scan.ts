/**
 * @module Whether a file may be given to `torch.load`, which calls what the file's pickles name. Everything that torch,
 * or Python's own pickle, would read is read here first, as data; what cannot be read counts as harmful.
 *
 * Where a file could be taken for two things, as an archive with a second directory in its comment, it is refused: torch
 * must read the very bytes that were looked at.
 */
import { readBytes, type ByteSource } from './byte-source.ts';
import { readMember } from './checkpoint.ts';
import { LARGEST_PICKLE_BYTES, readPickles } from './pickle-reader.ts';
import { isTorchGlobal } from './torch-globals.ts';
import { TorchFileError } from './torch-file-error.ts';
import { readZipDirectory } from './zip-directory.ts';

/** What torch itself takes for an archive. */
const ARCHIVE = Buffer.from('PK\x03\x04', 'latin1');
const END_OF_ARCHIVE = Buffer.from('PK\x05\x06', 'latin1');
const END_BYTES = 22;
/** A file of a torch before 1.6 begins with it, and then has four more pickles before its tensors. */
const MAGIC = 119547037146038801333356n;
const PICKLES_OF_OLD = 5;
const TAR_HEADER_BYTES = 512;

/** Files that no one unpickles, by the end of their names. */
const NO_PICKLES = /\.(json|txt|md|ya?ml|csv|safetensors)$/i;

/** Whether a file of this name is one that trainers give to `torch.load` or to pickle. */
export function isUnpickled(path: string): boolean {
  return !NO_PICKLES.test(path);
}

/** @throws TorchFileError naming what the file would call, or why it cannot be told. */
export async function mustBeHarmless(source: ByteSource, signal: AbortSignal): Promise<void> {
  const begin = await readBytes(source, 0, Math.min(source.sizeBytes, TAR_HEADER_BYTES), signal);
  if (begin.subarray(0, ARCHIVE.length).equals(ARCHIVE)) return scanArchive(source, signal);
  if (isTarHeader(begin))
    throw new TorchFileError(`${source.name} is a tar file, as the first versions of torch saved`);
  const bytes = await readBytes(source, 0, Math.min(source.sizeBytes, LARGEST_PICKLE_BYTES), signal);
  await named(source.name, () =>
    readPickles(
      bytes,
      isTorchGlobal,
      ([first, ...more]) => first === MAGIC && more.length + 1 < PICKLES_OF_OLD,
    ),
  );
}

async function scanArchive(source: ByteSource, signal: AbortSignal): Promise<void> {
  const end = await readBytes(source, Math.max(0, source.sizeBytes - END_BYTES), END_BYTES, signal);
  if (!end.subarray(0, END_OF_ARCHIVE.length).equals(END_OF_ARCHIVE))
    throw new TorchFileError(
      `${source.name} has something after its zip directory, which torch never writes`,
    );
  const entries = await readZipDirectory(source, signal);
  const seen = new Set<string>();
  for (const name of entries.keys()) {
    // torch looks members up whatever their case.
    const lower = name.toLowerCase();
    if (seen.has(lower)) throw new TorchFileError(`${source.name} has two members of one name`);
    seen.add(lower);
    if (lower.endsWith('/constants.pkl'))
      throw new TorchFileError(`${source.name} is a TorchScript program, not a checkpoint`);
    if (!lower.endsWith('.pkl')) continue;
    const bytes = await readMember(source, entries, name, signal);
    await named(source.name, () => readPickles(bytes, isTorchGlobal, () => false));
  }
}

/** The sum over a tar header's bytes stands in it, its own field counted as spaces; not all have a magic word. */
function isTarHeader(header: Buffer): boolean {
  if (header.length < TAR_HEADER_BYTES) return false;
  const stated = Number.parseInt(header.toString('latin1', 148, 156).replace(/^[\s\0]+/, ''), 8);
  const sum = header.reduce((total, byte, at) => total + (at >= 148 && at < 156 ? 0x20 : byte), 0);
  const signed = header.reduce(
    (total, byte, at) => total + (at >= 148 && at < 156 ? 0x20 : byte > 127 ? byte - 256 : byte),
    0,
  );
  return stated === sum || stated === signed;
}

async function named<T>(name: string, read: () => Promise<T>): Promise<void> {
  try {
    await read();
  } catch (error) {
    if (!(error instanceof TorchFileError)) throw error;
    throw new TorchFileError(`${name}: ${error.message}`, { cause: error });
  }
}
