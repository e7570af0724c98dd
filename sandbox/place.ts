/** @module Where a process of the sandbox runs: this machine itself, or one of a network on it (network.ts). */
export interface Place {
  /** At which others reach what runs there. */
  readonly address: string;
  /** The command that runs another one there; empty for this machine itself. */
  readonly enter: readonly string[];
}

export const HERE: Place = { address: '127.0.0.1', enter: [] };

/** The same command, at that place: under the same pid, since what enters becomes the command. */
export function commandAt(
  { enter }: Place,
  command: string,
  args: readonly string[],
): { readonly command: string; readonly args: readonly string[] } {
  const [first = command, ...rest] = [...enter, command, ...args];
  return { command: first, args: rest };
}
