/**
 * @module Reads a pickle as data. Python's own reader imports what a pickle names and calls it; this one never does.
 */
import { setImmediate as otherWork } from 'node:timers/promises';
import { PickleMachine } from './pickle-machine.ts';
import { operationOf } from './pickle-opcodes.ts';
import type { PickleValue } from './pickle-values.ts';
import { TorchFileError } from './torch-file-error.ts';

/** The index of a checkpoint of ten thousand tensors with its optimizer has 5 MB and a million operations. */
export const LARGEST_PICKLE_BYTES = 64 << 20;
const MOST_OPERATIONS = 3_000_000;
/** A few milliseconds' worth: then heartbeats and all else have their turn. */
const OPERATIONS_AT_ONCE = 20_000;

const STOP = 0x2e;

/** @throws TorchFileError for what is damaged, names a thing that runs code, or is too large to be an index. */
export async function readPickle(bytes: Buffer): Promise<PickleValue> {
  const [value = null] = await readPickles(
    bytes,
    () => true,
    () => false,
  );
  return value;
}

/**
 * Pickles that stand one behind the other, as Python would read them: what fails here may go well there.
 *
 * @param mayName Which classes and functions they may name.
 * @param wantsMore Told what was read so far, says whether another one follows.
 * @throws TorchFileError
 */
export async function readPickles(
  bytes: Buffer,
  mayName: (global: string) => boolean,
  wantsMore: (values: readonly PickleValue[]) => boolean,
): Promise<readonly PickleValue[]> {
  const values: PickleValue[] = [];
  let rest = bytes;
  do {
    const machine = new PickleMachine(rest, mayName);
    values.push(await run(machine));
    rest = rest.subarray(machine.input.position);
  } while (wantsMore(values));
  return values;
}

async function run(machine: PickleMachine): Promise<PickleValue> {
  for (let count = 0; count < MOST_OPERATIONS; count += 1) {
    if (count % OPERATIONS_AT_ONCE === OPERATIONS_AT_ONCE - 1) await otherWork();
    const at = machine.input.position;
    const code = machine.input.byte();
    if (code === STOP) return machine.pop();
    const operation = operationOf(code);
    if (operation === undefined)
      throw new TorchFileError(`the pickle has an operation that is not read here (${code} at byte ${at})`);
    operation(machine);
  }
  throw new TorchFileError(`the pickle has more than ${MOST_OPERATIONS} operations`);
}
