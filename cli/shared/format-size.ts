/**
 * @module Sizes and shapes as people read them.
 */
const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'] as const;

/** `1.24 GB`: powers of a thousand, as disks and S3 count. */
export function sizeText(bytes: number): string {
  const power = Math.min(UNITS.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  const value = bytes / 1000 ** power;
  return `${power === 0 ? value : value.toPrecision(3)} ${UNITS[power] ?? ''}`;
}

/** `1,024 × 3`; a single number has no dimensions. */
export function shapeText(shape: readonly number[]): string {
  return shape.length === 0 ? 'scalar' : shape.join(' × ');
}

/** `304,123,456` */
export function countText(count: number): string {
  return count.toLocaleString('en-US');
}
