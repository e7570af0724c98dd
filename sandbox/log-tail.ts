import { readFile } from 'node:fs/promises';

/** The last lines of a log as an error's message shows them, with the file's name. */
export async function logTail(file: string, lines = 12): Promise<string> {
  const text = await readFile(file, 'utf8').catch(() => '');
  const last = text.trimEnd().split('\n').slice(-lines).join('\n  ');
  return last === '' ? `${file} is empty` : `last lines of ${file}:\n  ${last}`;
}
