#!/usr/bin/env node
/**
 * @module The command `glee`.
 */
import { inspect } from 'node:util';
import { printNote } from './shared/output.ts';
import { gleeProgram } from './program.ts';

const program = gleeProgram();

try {
  await program.parseAsync();
} catch (error) {
  const isDebugged = program.opts<{ debug?: boolean }>().debug === true;
  printNote(isDebugged ? inspect(error) : (await import('./runs/explain.ts')).explain(error));
  process.exitCode = 1;
}
