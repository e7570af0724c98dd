/**
 * @module What is being done right now: one redrawn block on a terminal; elsewhere a line whenever it changed, not too often.
 */
import { createLogUpdate } from 'log-update';

const LINE_EVERY_MS = 5000;

export interface ProgressDisplay {
  /** The newest state; replaces the last one. */
  readonly show: (text: string) => void;
  /** Something that happened and stays on the screen. */
  readonly note: (text: string) => void;
  readonly end: () => void;
}

export function createProgress(): ProgressDisplay {
  return process.stdout.isTTY ? onTerminal() : onPipe();
}

function onTerminal(): ProgressDisplay {
  const draw = createLogUpdate(process.stdout);
  let newest = '';
  return {
    show: (text) => draw((newest = text)),
    note: (text) => {
      draw.clear();
      console.log(text);
      draw(newest);
    },
    end: () => draw.clear(),
  };
}

function onPipe(): ProgressDisplay {
  let last = '';
  let lastAt = 0;
  return {
    show: (text) => {
      if (text === last || Date.now() - lastAt < LINE_EVERY_MS) return;
      [last, lastAt] = [text, Date.now()];
      console.log(text);
    },
    note: (text) => console.log(text),
    end: () => undefined,
  };
}
