/** @module Parsers that read files are given one of their own, in memory where the system has such a place. */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const root = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'glee-fuzz-'));
process.on('exit', () => rmSync(root, { recursive: true, force: true }));

/** Runs a parser over a folder that holds just this file. */
export function asFile(
  name: string,
  run: (path: string, folder: string) => Promise<unknown>,
): (input: Buffer) => Promise<unknown> {
  const folder = mkdtempSync(join(root, 'f'));
  const path = join(folder, name);
  mkdirSync(dirname(path), { recursive: true });
  return async (input) => {
    writeFileSync(path, input);
    return run(path, folder);
  };
}
