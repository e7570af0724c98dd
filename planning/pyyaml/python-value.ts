/** @module Values as Python has them, which tells 1 from 1.0: yacs refuses one where the other is expected. */
import type { ConfigValue } from '../../contracts/plan.ts';
import type { Settings } from '../reading/nested-settings.ts';

/** A bigint is Python's int, a number its float, a list its list or tuple. */
export type PythonValue =
  null | boolean | string | bigint | number | PythonOther | readonly PythonValue[] | PythonSettings;

export interface PythonSettings {
  readonly [key: string]: PythonValue;
}

/** A value that no setting can have: a date, a set, bytes, a complex number, a dict within a text. */
export class PythonOther {
  readonly type: string;

  constructor(type: string) {
    this.type = type;
  }
}

export function isPythonSettings(value: PythonValue | undefined): value is PythonSettings {
  return (
    typeof value === 'object' && value !== null && !isPythonList(value) && !(value instanceof PythonOther)
  );
}

/** `Array.isArray` would narrow to `any[]`; this keeps the type of the items. */
export function isPythonList(value: PythonValue | undefined): value is readonly PythonValue[] {
  return Array.isArray(value);
}

/** As Python names the type. */
export function pythonType(value: PythonValue): string {
  if (value === null) return 'None';
  if (value instanceof PythonOther) return value.type;
  if (typeof value === 'boolean') return 'bool';
  if (typeof value === 'string') return 'str';
  if (typeof value === 'bigint') return 'int';
  if (typeof value === 'number') return 'float';
  return isPythonList(value) ? 'list' : 'section';
}

/** As JSON has them. What JSON has not (infinity, an int of 20 digits) becomes a text. */
export function plainSettings(settings: PythonSettings): Settings {
  return Object.fromEntries(Object.entries(settings).map(([key, value]) => [key, plain(value)]));
}

export function plain(value: PythonValue): ConfigValue {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return value;
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (value instanceof PythonOther) return `<${value.type}>`;
  return isPythonList(value) ? value.map(plain) : plainSettings(value);
}
