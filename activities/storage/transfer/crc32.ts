/**
 * @module CRC-32 as zip and S3 use it: its two spellings, and the checksum of two pieces from those of each, so that a
 * file that travels in parts has a checksum without being read again.
 */

/** Eight lowercase hex digits, as manifests have it. */
export function crc32Hex(crc: number): string {
  return crc.toString(16).padStart(8, '0');
}

/** Base64 of the four bytes, as S3 has it. */
export function crc32Base64(crc: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc);
  return bytes.toString('base64');
}

/** Checksum of the first piece followed by the second. */
export function combineCrc32(first: number, second: number, secondLength: number): number {
  return (multiply(first, powerOfX(secondLength * 8)) ^ second) >>> 0;
}

/** Bit-reversed, as the checksum itself: the highest bit is the coefficient of x⁰. */
const POLYNOMIAL = 0xedb88320;
const ONE = 0x80000000;
const X = 0x40000000;

/** Product of two polynomials over GF(2), modulo the checksum's. */
function multiply(one: number, other: number): number {
  let product = 0;
  let factor = other;
  for (let bit = ONE; bit !== 0; bit >>>= 1) {
    if ((one & bit) !== 0) product ^= factor;
    factor = (factor & 1) === 0 ? factor >>> 1 : (factor >>> 1) ^ POLYNOMIAL;
  }
  return product >>> 0;
}

/** x to the n, by squaring. Lengths in bits go beyond 32 bits: no bit operators on them. */
function powerOfX(exponent: number): number {
  let power = ONE;
  for (let square = X, left = exponent; left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) power = multiply(power, square);
    square = multiply(square, square);
  }
  return power;
}
