/**
 * @module What each of a pickle's operations does, protocols 0 to 5, as Python's pickletools lists them.
 *
 * Classes and functions stay names. Calls become data in `pickle-calls.ts`; state that is set on an object is dropped.
 */
import { callOf, storageOf } from './pickle-calls.ts';
import { narrow } from './pickle-cursor.ts';
import { isPlausibleName, runsCode } from './pickle-globals.ts';
import type { PickleMachine } from './pickle-machine.ts';
import { describeValue, isKind, type PickleValue } from './pickle-values.ts';
import { shortName, TorchFileError } from './torch-file-error.ts';

const isTuple = isKind('tuple');
const isList = isKind('list');
const isDict = isKind('dict');
const isOpaque = isKind('opaque');
const isGlobal = isKind('global');

type Operation = (machine: PickleMachine) => void;

const constant =
  (make: () => PickleValue): Operation =>
  (machine) =>
    machine.push(make());
const pushed =
  (read: (machine: PickleMachine) => PickleValue): Operation =>
  (machine) =>
    machine.push(read(machine));
const collected =
  (build: (items: PickleValue[]) => PickleValue): Operation =>
  (machine) =>
    machine.push(build(machine.popToMark()));
const skipped =
  (length: (machine: PickleMachine) => number): Operation =>
  (machine) =>
    void machine.input.take(length(machine));
const bytes = (length: (machine: PickleMachine) => number): Operation =>
  pushed((machine) => ({ kind: 'bytes', sizeBytes: machine.input.take(length(machine)).length }));
const text = (length: (machine: PickleMachine) => number): Operation =>
  pushed((machine) => machine.input.text(length(machine)));
const tuple = (items: readonly PickleValue[]): PickleValue => ({ kind: 'tuple', items });
const setOf = (): PickleValue => ({ kind: 'opaque', name: 'builtins.set' });

/** By the operation's byte, as a character. */
const OPERATIONS: Readonly<Record<string, Operation>> = {
  '\x80': skipped(() => 1),
  '\x95': skipped(() => 8),
  '(': (machine) => machine.mark(),
  '0': (machine) => machine.drop(),
  '1': (machine) => void machine.popToMark(),
  '2': pushed((machine) => machine.top()),

  N: constant(() => null),
  '\x88': constant(() => true),
  '\x89': constant(() => false),
  I: pushed(({ input }) => decimal(input.line())),
  J: pushed(({ input }) => input.int32()),
  K: pushed(({ input }) => input.byte()),
  M: pushed(({ input }) => input.uint16()),
  L: pushed(({ input }) => decimal(input.line().replace(/L$/, ''))),
  '\x8a': pushed(({ input }) => input.long(input.byte())),
  '\x8b': pushed(({ input }) => input.long(input.int32())),
  F: pushed(({ input }) => Number(input.line())),
  G: pushed(({ input }) => input.float64()),

  S: pushed(({ input }) => input.line().replace(/^(['"])(.*)\1$/, '$2')),
  T: text(({ input }) => input.int32()),
  U: text(({ input }) => input.byte()),
  V: pushed(({ input }) => input.line()),
  X: text(({ input }) => input.uint32()),
  '\x8c': text(({ input }) => input.byte()),
  '\x8d': text(({ input }) => input.uint64()),
  B: bytes(({ input }) => input.uint32()),
  C: bytes(({ input }) => input.byte()),
  '\x8e': bytes(({ input }) => input.uint64()),
  '\x96': bytes(({ input }) => input.uint64()),

  ')': constant(() => tuple([])),
  t: collected(tuple),
  '\x85': pushed((machine) => tuple(machine.popMany(1))),
  '\x86': pushed((machine) => tuple(machine.popMany(2))),
  '\x87': pushed((machine) => tuple(machine.popMany(3))),
  ']': constant(() => ({ kind: 'list', items: [] })),
  l: collected((items) => ({ kind: 'list', items })),
  a: (machine) => append(machine, machine.popMany(1)),
  e: (machine) => append(machine, machine.popToMark()),
  '}': constant(() => ({ kind: 'dict', pairs: [] })),
  d: collected((items) => ({ kind: 'dict', pairs: pairsOf(items) })),
  s: (machine) => setItems(machine, machine.popMany(2)),
  u: (machine) => setItems(machine, machine.popToMark()),
  '\x8f': constant(setOf),
  '\x90': (machine) => void machine.popToMark(),
  '\x91': collected(setOf),

  p: (machine) => machine.store(index(machine.input.line())),
  q: (machine) => machine.store(machine.input.byte()),
  r: (machine) => machine.store(machine.input.uint32()),
  '\x94': (machine) => machine.storeNext(),
  g: pushed((machine) => machine.recall(index(machine.input.line()))),
  h: pushed((machine) => machine.recall(machine.input.byte())),
  j: pushed((machine) => machine.recall(machine.input.uint32())),

  c: pushed((machine) => globalOf(machine, machine.input.line(), machine.input.line())),
  '\x93': pushed((machine) => {
    const [module, name] = machine.popMany(2);
    if (typeof module !== 'string' || typeof name !== 'string')
      throw new TorchFileError('the pickle names a class by something that is not a name');
    return globalOf(machine, module, name);
  }),
  Q: pushed((machine) => storageOf(machine.pop())),
  R: (machine) => call(machine, machine.popMany(2)),
  '\x81': (machine) => call(machine, machine.popMany(2)),
  '\x92': (machine) => call(machine, machine.popMany(3)),
  i: (machine) => {
    const callee = globalOf(machine, machine.input.line(), machine.input.line());
    machine.push(callOf(callee, machine.popToMark(), machine));
  },
  o: (machine) => {
    const [callee = null, ...items] = machine.popToMark();
    machine.push(callOf(callee, items, machine));
  },
  b: (machine) => {
    machine.pop();
    // On an object, it sets what the object holds; on a class, what all its objects do.
    if (isGlobal(machine.top()))
      throw new TorchFileError('the pickle changes a class: the file may be an attack');
  },
};

const table: readonly (Operation | undefined)[] = Array.from(
  { length: 256 },
  (_, code) => OPERATIONS[String.fromCharCode(code)],
);

/** Undefined for what no pickle of torch's has: extension codes, buffers outside the pickle, ids as text. */
export function operationOf(code: number): Operation | undefined {
  return table[code];
}

function call(machine: PickleMachine, [callee = null, items = null]: readonly PickleValue[]): void {
  if (!isTuple(items))
    throw new TorchFileError(
      `the pickle calls ${describeValue(callee)} with ${describeValue(items)} for arguments`,
    );
  machine.push(callOf(callee, items.items, machine));
}

function globalOf({ mayName }: PickleMachine, module: string, name: string): PickleValue {
  const dotted = `${module}.${name}`;
  if (!isPlausibleName(module, name))
    throw new TorchFileError(`the pickle names a class '${shortName(dotted)}', which no program has`);
  if (!runsCode(module, name)) {
    if (mayName(dotted)) return { kind: 'global', name: dotted };
    throw new TorchFileError(`the pickle names ${dotted}, which a file of weights has no need of`);
  }
  throw new TorchFileError(
    `the pickle names ${dotted}, which serves to run code: the file may be an attack. Nothing was run; do not load it`,
  );
}

function append(machine: PickleMachine, items: readonly PickleValue[]): void {
  const target = machine.top();
  if (isOpaque(target)) return;
  if (!isList(target)) throw new TorchFileError(`the pickle appends to ${describeValue(target)}`);
  for (const item of items) target.items.push(item);
}

function setItems(machine: PickleMachine, items: readonly PickleValue[]): void {
  const target = machine.top();
  if (isOpaque(target)) return;
  if (!isDict(target)) throw new TorchFileError(`the pickle sets items of ${describeValue(target)}`);
  for (const pair of pairsOf(items)) target.pairs.push(pair);
}

function pairsOf(items: readonly PickleValue[]): (readonly [PickleValue, PickleValue])[] {
  if (items.length % 2 !== 0) throw new TorchFileError('the pickle has a key without a value');
  return Array.from({ length: items.length / 2 }, (_, pair) => [
    items[2 * pair] ?? null,
    items[2 * pair + 1] ?? null,
  ]);
}

/** Protocol 0 writes booleans as `I01` and `I00`. */
function decimal(line: string): PickleValue {
  if (line === '01' || line === '00') return line === '01';
  if (!/^[+-]?\d{1,600}$/.test(line)) throw new TorchFileError('the pickle has a number that is none');
  return narrow(BigInt(line));
}

function index(line: string): number {
  if (!/^\d{1,10}$/.test(line))
    throw new TorchFileError('the pickle stores a value under a number that is none');
  return Number(line);
}
