/**
 * @module How far a copy has come, for who watches a terminal and waits.
 */
import { sizeText } from '../../contracts/sizes.ts';

/** Shorter waits need no words. */
const SILENT_MS = 2000;
const REDRAW_MS = 200;

export interface CopyProgress {
  readonly update: (doneBytes: number) => void;
  readonly clear: () => void;
}

/** On stderr, and only where that is a terminal. */
export async function copyProgress(totalBytes: number): Promise<CopyProgress> {
  if (!process.stderr.isTTY) return { update: () => undefined, clear: () => undefined };
  const { createLogUpdate } = await import('log-update');
  const startedAt = Date.now();
  let drawnAt = startedAt + SILENT_MS - REDRAW_MS;
  const line = createLogUpdate(process.stderr);
  return {
    update: (doneBytes) => {
      const now = Date.now();
      if (now - drawnAt < REDRAW_MS) return;
      drawnAt = now;
      const percent = Math.floor((100 * doneBytes) / totalBytes);
      const rate = doneBytes / ((now - startedAt) / 1000);
      line(`${percent} %  ${sizeText(doneBytes)} of ${sizeText(totalBytes)}  ${sizeText(rate)}/s`);
    },
    clear: () => line.clear(),
  };
}
