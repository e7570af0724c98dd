/** @module Sizes as people read them: powers of a thousand, as disks and S3 count. */
const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'] as const;

/** `1.24 GB` */
export function sizeText(bytes: number): string {
  const power = Math.min(UNITS.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  const value = bytes / 1000 ** power;
  return `${power === 0 ? value : value.toPrecision(3)} ${UNITS[power] ?? ''}`;
}

/** `1.23 GB`, rounded down: free space must not look like enough when it is not. */
export function gigabytes(bytes: number): string {
  return `${Math.floor(bytes / 1e7) / 100} GB`;
}
