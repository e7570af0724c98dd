/**
 * @module What commands print: text for people, or with --json one JSON document for programs. All output of the command
 * line goes through here, so that nothing of what it shows can steer a terminal.
 */
import { printable, printableData, printableJson, printableScreen } from './printable.ts';

export const JSON_OPTION = ['--json', 'print one JSON document instead of text'] as const;

export interface OutputOptions {
  readonly json?: boolean;
}

export function print<T>(value: T, { json }: OutputOptions, render: (value: T) => string): void {
  console.log(json === true ? printableJson(JSON.stringify(value, undefined, 2)) : renderText(value, render));
}

/** What `render` makes of the value, for a terminal. */
export function renderText<T>(value: T, render: (value: T) => string): string {
  return printableScreen(render(printableData(value)));
}

/** A line about what happens, beside the output. */
export function printNote(text: string): void {
  console.error(printable(text));
}
