/** @module Small inputs changed at random, the same by the same seed. */

export const MOST_BYTES = 64 << 10;

/** A generator of whole numbers below a bound (mulberry32). */
export type Random = (below: number) => number;

export function randomOf(seed: number): Random {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

/** What parsers of all kinds stumble over. */
const TOKENS = [
  ...[
    '\0',
    '\n',
    '\r\n',
    ' ',
    '\t',
    '"',
    "'",
    '\\',
    '{',
    '}',
    '[',
    ']',
    '(',
    ')',
    ',',
    ':',
    '- ',
    '#',
    '&a ',
    '*a',
  ],
  ...[
    '<<: ',
    '!!python/name:os.system ',
    '\ufeff',
    '\u001b[2J',
    '\u2028',
    '/../',
    '%00',
    '@',
    '..',
    'null',
    'true',
  ],
  ...[
    '-1',
    '0',
    '1e999',
    '9007199254740993',
    'NaN',
    'Infinity',
    '__proto__',
    'constructor',
    'y',
    '0x1',
    '1_0',
    '~',
  ],
  ...[
    '\x80\x02',
    'R',
    'b',
    't',
    '(',
    'h\0',
    'q\0',
    'cos\nsystem\n',
    '\x93',
    '\x94',
    '.',
    'Traceback (most recent call last):\n',
  ],
].map((token) => Buffer.from(token, 'latin1'));

/** One of the seeds, changed some few times. */
export function mutated(seeds: readonly Uint8Array[], random: Random): Buffer {
  let input: Buffer = Buffer.from(seeds[random(seeds.length)] ?? []);
  for (let changes = 1 + random(6); changes > 0; changes -= 1) {
    input = CHANGES[random(CHANGES.length)]?.(input, random, seeds) ?? input;
  }
  return input.subarray(0, MOST_BYTES);
}

type Change = (input: Buffer, random: Random, seeds: readonly Uint8Array[]) => Buffer;

const CHANGES: readonly Change[] = [
  (input, random) => {
    const changed = Buffer.from(input);
    if (changed.length > 0) changed[random(changed.length)] = random(256);
    return changed;
  },
  (input, random) => {
    const changed = Buffer.from(input);
    const at = random(Math.max(1, changed.length));
    if (changed.length > 0) changed[at] = (changed[at] ?? 0) ^ (1 << random(8));
    return changed;
  },
  (input, random) =>
    spliced(input, random(input.length + 1), 0, TOKENS[random(TOKENS.length)] ?? Buffer.alloc(0)),
  (input, random) => spliced(input, random(input.length + 1), random(16), Buffer.alloc(0)),
  (input, random) => input.subarray(0, random(input.length + 1)),
  (input, random) => {
    const at = random(input.length + 1);
    const piece = input.subarray(at, at + 1 + random(24));
    return spliced(input, at, 0, repeated(piece, 1 + random(40)));
  },
  // Rarely, what is repeated fills all that there may be: work that grows with the square shows only then.
  (input, random) => {
    if (random(8) > 0) return input;
    const at = random(input.length + 1);
    const piece = random(2) === 0 ? TOKENS[random(TOKENS.length)] : input.subarray(at, at + 1 + random(8));
    return spliced(input, at, 0, repeated(piece ?? Buffer.alloc(0), MOST_BYTES));
  },
  (input, random, seeds) => {
    const other = Buffer.from(seeds[random(seeds.length)] ?? []);
    return Buffer.concat([
      input.subarray(0, random(input.length + 1)),
      other.subarray(random(other.length + 1)),
    ]);
  },
];

function spliced(input: Buffer, at: number, removed: number, added: Uint8Array): Buffer {
  return Buffer.concat([input.subarray(0, at), added, input.subarray(at + removed)]);
}

function repeated(piece: Uint8Array, times: number): Buffer {
  const most = Math.floor(MOST_BYTES / Math.max(1, piece.length));
  return Buffer.concat(Array.from({ length: Math.min(times, most) }, () => piece));
}
