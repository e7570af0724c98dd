/** @module What a plain text in YAML is to PyYAML: its resolver's patterns and constructors (yaml/resolver.py, constructor.py). */
import { PythonOther, type PythonValue } from './python-value.ts';

const BOOL = /^(?:yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)$/;
const FLOAT =
  /^(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$/;
const INT =
  /^(?:[-+]?0b[01_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+|[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+)$/;
const NULL = /^(?:~|null|Null|NULL|)$/;
const TIMESTAMP =
  /^(?:\d{4}-\d\d-\d\d|\d{4}-\d\d?-\d\d?(?:[Tt]|[ \t]+)\d\d?:\d\d:\d\d(?:\.\d*)?(?:[ \t]*(?:Z|[-+]\d\d?(?::\d\d)?))?)$/;

/** Python refuses to read longer ints from texts. */
const MOST_DIGITS = 4300;

/** Why PyYAML refuses the value. */
export class PyYamlError extends Error {}

/** The value of an unquoted text. */
export function plainScalar(text: string): PythonValue {
  if (BOOL.test(text)) return boolOf(text);
  // In the order of PyYAML: what looks like a float is none of the others.
  if (FLOAT.test(text)) return floatOf(text);
  if (INT.test(text)) return intOf(text);
  if (NULL.test(text)) return null;
  if (TIMESTAMP.test(text)) return new PythonOther('date');
  if (text === '=') throw new PyYamlError("'=' is a special value that PyYAML can't read: quote it");
  return text;
}

const PREFIX = 'tag:yaml.org,2002:';

/** The value of a text with a tag of its own, as `!!int "5"`. */
export function taggedScalar(tag: string, text: string): PythonValue {
  switch (tag) {
    case '!':
    case `${PREFIX}str`:
      return text;
    case `${PREFIX}int`:
      return intOf(text);
    case `${PREFIX}float`:
      return floatOf(text);
    case `${PREFIX}bool`:
      return boolOf(text);
    case `${PREFIX}null`:
      return null;
    case `${PREFIX}binary`:
      return new PythonOther('bytes');
    case `${PREFIX}timestamp`:
      return new PythonOther('date');
    default:
      throw new PyYamlError(`tag ${tag} is none that a setting can have`);
  }
}

function boolOf(text: string): boolean {
  const lower = text.toLowerCase();
  if (['yes', 'true', 'on'].includes(lower)) return true;
  if (['no', 'false', 'off'].includes(lower)) return false;
  throw new PyYamlError(`'${text}' is no boolean`);
}

function intOf(text: string): bigint {
  const { negative, digits } = signed(text.replaceAll('_', ''));
  const value = digits.includes(':') ? sexagesimal(digits) : naturalOf(digits);
  if (value === undefined) throw new PyYamlError(`'${text}' is no int`);
  return negative ? -value : value;
}

function naturalOf(digits: string): bigint | undefined {
  if (digits.length > MOST_DIGITS) return undefined;
  if (/^0b[01]+$/.test(digits) || /^0x[0-9a-fA-F]+$/.test(digits)) return BigInt(digits);
  if (/^0o?[0-7]+$/.test(digits) && digits !== '0') return BigInt(`0o${digits.replace(/^0o?/, '')}`);
  return /^\d+$/.test(digits) ? BigInt(digits) : undefined;
}

function sexagesimal(digits: string): bigint | undefined {
  const parts = digits.split(':');
  // `1:59:59` has three.
  if (parts.length > 32 || !parts.every((part) => /^\d{1,20}$/.test(part))) return undefined;
  return parts.reduce((sum, part) => sum * 60n + BigInt(part), 0n);
}

function floatOf(text: string): number {
  const { negative, digits } = signed(text.replaceAll('_', '').toLowerCase());
  const value = magnitudeOf(digits);
  if (value === undefined) throw new PyYamlError(`'${text}' is no float`);
  return negative ? -value : value;
}

function magnitudeOf(digits: string): number | undefined {
  if (digits === '.inf') return Number.POSITIVE_INFINITY;
  if (digits === '.nan') return Number.NaN;
  if (!digits.includes(':')) return decimalOf(digits);
  const parts = digits.split(':').map(decimalOf);
  return parts.reduce(
    (sum, part) => (sum === undefined || part === undefined ? undefined : sum * 60 + part),
    0,
  );
}

function decimalOf(digits: string): number | undefined {
  return /^(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?$/.test(digits) ? Number(digits) : undefined;
}

function signed(text: string): { readonly negative: boolean; readonly digits: string } {
  return { negative: text.startsWith('-'), digits: text.replace(/^[-+]/, '') };
}
