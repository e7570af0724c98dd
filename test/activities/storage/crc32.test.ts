import assert from 'node:assert/strict';
import { randomBytes, randomInt } from 'node:crypto';
import { describe, it } from 'node:test';
import { crc32 } from 'node:zlib';
import { combineCrc32, crc32Base64, crc32Hex } from '../../../activities/storage/transfer/crc32.ts';
import { crc32OfPieces, partBytesFor, piecesOf } from '../../../activities/storage/transfer/cut-pieces.ts';

describe('combineCrc32', () => {
  it('gives the checksum of two pieces together, whatever their lengths', () => {
    const lengths = [0, 1, 2, 3, 7, 8, 9, 255, 256, 4096, 65_537, 1 << 20, randomInt(1 << 20)];
    for (const first of lengths) {
      for (const second of lengths) {
        const [one, other] = [randomBytes(first), randomBytes(second)];
        const combined = combineCrc32(crc32(one), crc32(other), second);
        assert.equal(combined, crc32(Buffer.concat([one, other])), `${first} and ${second} bytes`);
      }
    }
  });

  it('counts lengths beyond 32 bits', () => {
    const zeros = Buffer.alloc(16 << 20);
    const gibibytes = 5;
    let [whole, combined] = [crc32('x'), crc32('x')];
    for (let piece = 0; piece < 64 * gibibytes; piece += 1) whole = crc32(zeros, whole);
    let doubled = crc32(zeros);
    for (let bytes = zeros.length; bytes < 2 ** 30; bytes *= 2)
      doubled = combineCrc32(doubled, doubled, bytes);
    const four = combineCrc32(
      combineCrc32(doubled, doubled, 2 ** 30),
      combineCrc32(doubled, doubled, 2 ** 30),
      2 ** 31,
    );
    const five = combineCrc32(four, doubled, 2 ** 30);
    combined = combineCrc32(combined, five, 5 * 2 ** 30);
    assert.equal(combined, whole);
  });

  it('gives the checksum of a file from those of its pieces', () => {
    const bytes = randomBytes(1_000_003);
    for (const pieceBytes of [1000, 65_536, 1_000_003, 2_000_000]) {
      const pieces = piecesOf(bytes.length, pieceBytes).map(({ offset, sizeBytes }) => ({
        sizeBytes,
        crc32: crc32(bytes.subarray(offset, offset + sizeBytes)),
      }));
      assert.equal(crc32OfPieces(pieces), crc32(bytes));
    }
    assert.equal(crc32OfPieces([]), 0);
  });
});

describe('the spellings of a checksum', () => {
  it('keep leading zeros', () => {
    assert.equal(crc32Hex(0x00ab12cd), '00ab12cd');
    assert.equal(crc32Base64(0x00ab12cd), Buffer.from('00ab12cd', 'hex').toString('base64'));
    assert.equal(crc32Hex(0xffffffff), 'ffffffff');
  });
});

describe('partBytesFor', () => {
  it('stays at or below the 10,000 parts that S3 takes, and within 8 MiB where it can', () => {
    assert.equal(partBytesFor(0), 8 << 20);
    assert.equal(partBytesFor(80 * 2 ** 30), 9 << 20);
    for (const size of [1, 2 ** 31, 10_000 * (8 << 20), 10_000 * (8 << 20) + 1, 5 * 2 ** 40]) {
      assert.ok(Math.ceil(size / partBytesFor(size)) <= 10_000, `${size} bytes`);
      assert.ok(partBytesFor(size) < 5 * 2 ** 30);
    }
  });
});
