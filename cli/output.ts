/**
 * @module What commands print: text for people, or with --json one JSON document for programs.
 */
export const JSON_OPTION = ['--json', 'print one JSON document instead of text'] as const;

export interface OutputOptions {
  readonly json?: boolean;
}

export function print<T>(value: T, { json }: OutputOptions, render: (value: T) => string): void {
  console.log(json === true ? JSON.stringify(value, undefined, 2) : render(value));
}
