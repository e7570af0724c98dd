/** @module GLEE's settings as nested values: merged and looked up as detectron2 does it. */
import type { ConfigValue, Overrides } from '../../contracts/plan.ts';

/** Nested settings of a GLEE config, or overrides for one. */
export type Settings = Overrides;

/** Lays `over` onto `base`: maps are merged, everything else is replaced whole (fvcore's `merge_a_into_b`). */
export function mergeSettings(base: Settings, over: Settings): Settings {
  // A map, in which `__proto__` is a key as any other.
  const merged = new Map(Object.entries(base));
  for (const [key, value] of Object.entries(over)) {
    const below = merged.get(key);
    merged.set(key, isSettings(value) && isSettings(below) ? mergeSettings(below, value) : value);
  }
  return Object.fromEntries(merged);
}

/** The value at a dotted key, `SOLVER.MAX_ITER`, or undefined. */
export function settingAt(settings: Settings, key: string): ConfigValue | undefined {
  return key
    .split('.')
    .reduce<ConfigValue | undefined>(
      (value, step) => (isSettings(value) && Object.hasOwn(value, step) ? value[step] : undefined),
      settings,
    );
}

export interface Leaf {
  readonly path: readonly string[];
  readonly value: ConfigValue;
}

/** Every leaf with its path. A list is one leaf, and so is an empty map. */
export function leavesOf(settings: Settings, path: readonly string[] = []): readonly Leaf[] {
  return Object.entries(settings).flatMap(([key, value]) =>
    isSettings(value) && Object.keys(value).length > 0
      ? leavesOf(value, [...path, key])
      : [{ path: [...path, key], value }],
  );
}

export function isSettings(value: ConfigValue | undefined): value is Settings {
  return typeof value === 'object' && value !== null && !isList(value);
}

/** `Array.isArray` would narrow to `any[]`; this keeps the type of the items. */
export function isList(value: ConfigValue | undefined): value is readonly ConfigValue[] {
  return Array.isArray(value);
}
