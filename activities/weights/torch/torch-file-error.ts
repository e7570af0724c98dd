/**
 * @module What is wrong with a torch file: its content, never the machine. Trying again does not help.
 */
export class TorchFileError extends Error {
  override readonly name = 'TorchFileError';
}
