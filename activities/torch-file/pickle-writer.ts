/**
 * @module The pickle of `{"model": {name: tensor}}` as torch.save writes it, in the few operations that torch's own
 * restricted reader (`weights_only=True`, since 1.13) knows.
 */
import type { Tensor } from './checkpoint.ts';

const LARGEST_INT32 = 0x7fffffff;

/** @param keyOf the member below data/ that holds the tensor's storage; the same for tensors that share one. */
export function pickleModel(tensors: readonly Tensor[], keyOf: (tensor: Tensor) => string): Uint8Array {
  const pickle = new PickleWriter();
  pickle.begin();
  pickle.text('model');
  pickle.dict(() => {
    for (const tensor of tensors) {
      pickle.text(tensor.name);
      writeTensor(pickle, tensor, keyOf(tensor));
    }
  });
  return pickle.end();
}

/** A plain tensor, as `.detach()` leaves a parameter. */
function writeTensor(pickle: PickleWriter, tensor: Tensor, key: string): void {
  const { dtype, storage } = tensor;
  const isTyped = dtype.storageClass !== undefined;
  pickle.global('torch._utils', isTyped ? '_rebuild_tensor_v2' : '_rebuild_tensor_v3');
  pickle.tuple(() => {
    pickle.tuple(() => {
      pickle.text('storage');
      if (isTyped) pickle.global('torch', dtype.storageClass);
      else pickle.global('torch.storage', 'UntypedStorage');
      pickle.text(key);
      pickle.text('cpu');
      pickle.int(isTyped ? storage.numel : storage.sizeBytes);
    });
    pickle.reference();
    pickle.int(tensor.storageOffset);
    pickle.tuple(() => tensor.shape.forEach((length) => pickle.int(length)));
    pickle.tuple(() => tensor.strides.forEach((stride) => pickle.int(stride)));
    pickle.no();
    pickle.emptyHooks();
    if (!isTyped) pickle.global('torch', dtype.name);
  });
  pickle.call();
}

/** Protocol 2: the newest that torch 1.13 reads with `weights_only=True`. */
class PickleWriter {
  /** One for all: a file of some hundred tensors has ten thousand such parts. */
  private bytes = Buffer.alloc(1 << 16);
  private length = 0;
  private readonly memo = new Map<string, number>();

  begin(): void {
    this.emit(0x80, 2);
    // The outer dict: its one pair is set at the end.
    this.code('}');
  }

  end(): Uint8Array {
    this.code('s.');
    return this.bytes.subarray(0, this.length);
  }

  dict(fill: () => void): void {
    this.code('}(');
    fill();
    this.code('u');
  }

  tuple(fill: () => void): void {
    this.code('(');
    fill();
    this.code('t');
  }

  /** The tuple before it names something outside of the pickle. */
  reference(): void {
    this.code('Q');
  }

  call(): void {
    this.code('R');
  }

  no(): void {
    this.emit(0x89);
  }

  emptyHooks(): void {
    this.global('collections', 'OrderedDict');
    this.code(')R');
  }

  text(value: string): void {
    const sizeBytes = Buffer.byteLength(value);
    this.code('X');
    this.take(4).writeUInt32LE(sizeBytes);
    this.take(sizeBytes).write(value);
  }

  /** Counts of at most 2^53. */
  int(value: number): void {
    if (value <= LARGEST_INT32) {
      this.emit(0x4a);
      this.take(4).writeInt32LE(value);
      return;
    }
    this.emit(0x8a, 8);
    this.take(8).writeBigInt64LE(BigInt(value));
  }

  /** Named in full once and recalled from then on. */
  global(module: string, name: string): void {
    const dotted = `${module}\n${name}\n`;
    const known = this.memo.get(dotted);
    if (known !== undefined) {
      this.emit(0x68, known);
      return;
    }
    const index = this.memo.size;
    this.memo.set(dotted, index);
    this.code(`c${dotted}`);
    this.emit(0x71, index);
  }

  private code(characters: string): void {
    this.take(characters.length).write(characters, 'latin1');
  }

  private emit(...bytes: readonly number[]): void {
    this.take(bytes.length).set(bytes);
  }

  /** So many more bytes, to be filled at once. */
  private take(sizeBytes: number): Buffer {
    const begin = this.length;
    this.length += sizeBytes;
    if (this.length > this.bytes.length) {
      const larger = Buffer.alloc(2 * this.length);
      larger.set(this.bytes);
      this.bytes = larger;
    }
    return this.bytes.subarray(begin, this.length);
  }
}
