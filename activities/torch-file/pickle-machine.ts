/**
 * @module The stack and memory that a pickle's operations work on.
 */
import { PickleCursor } from './pickle-cursor.ts';
import type { PickleValue } from './pickle-values.ts';
import { TorchFileError } from './torch-file-error.ts';

/** Operations pay for what they push; this is for what copies. A checkpoint of ten thousand tensors needs none of it. */
const MOST_COPIED_ITEMS = 1_000_000;

export class PickleMachine {
  readonly input: PickleCursor;
  readonly mayName: (global: string) => boolean;
  private readonly stack: PickleValue[] = [];
  /** Heights of the stack: each operation that collects goes back to the last one. */
  private readonly marks: number[] = [];
  private readonly memo = new Map<number, PickleValue>();
  private copiedItems = 0;

  /** @param mayName Which classes and functions the pickle may name besides those that run code. */
  constructor(bytes: Buffer, mayName: (global: string) => boolean) {
    this.input = new PickleCursor(bytes);
    this.mayName = mayName;
  }

  /** @throws TorchFileError when calls have copied more items than any checkpoint's do. */
  charge(items: number): void {
    this.copiedItems += items;
    if (this.copiedItems > MOST_COPIED_ITEMS)
      throw new TorchFileError(
        'the pickle copies more items than a checkpoint has: the file may be an attack',
      );
  }

  push(value: PickleValue): void {
    this.stack.push(value);
  }

  pop(): PickleValue {
    if (this.stack.length <= (this.marks.at(-1) ?? 0)) throw underflow();
    return this.stack.pop() ?? null;
  }

  top(): PickleValue {
    if (this.stack.length <= (this.marks.at(-1) ?? 0)) throw underflow();
    return this.stack.at(-1) ?? null;
  }

  /** The newest so many, oldest first. */
  popMany(count: number): PickleValue[] {
    return Array.from({ length: count }, () => this.pop()).reverse();
  }

  mark(): void {
    this.marks.push(this.stack.length);
  }

  popToMark(): PickleValue[] {
    const height = this.marks.pop();
    if (height === undefined) throw underflow();
    return this.stack.splice(height);
  }

  /** Python pops the mark itself when it comes to the top. */
  drop(): void {
    if (this.marks.at(-1) === this.stack.length) this.marks.pop();
    else this.pop();
  }

  store(index: number): void {
    this.memo.set(index, this.top());
  }

  storeNext(): void {
    this.store(this.memo.size);
  }

  recall(index: number): PickleValue {
    const value = this.memo.get(index);
    if (value === undefined)
      throw new TorchFileError(`the pickle recalls a value that it never stored (${index})`);
    return value;
  }
}

function underflow(): TorchFileError {
  return new TorchFileError('the pickle takes a value from its stack that is not there');
}
