/** @module Shapes and counts as people read them. */

/** `1,024 × 3`; a single number has no dimensions. */
export function shapeText(shape: readonly number[]): string {
  return shape.length === 0 ? 'scalar' : shape.join(' × ');
}

/** `304,123,456` */
export function countText(count: number): string {
  return count.toLocaleString('en-US');
}
