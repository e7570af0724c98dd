/** @module How a parameter's value reads in a trial's id: letters, digits, '.' and '_', and a '-' before an exponent. */
import type { ConfigValue } from '../../contracts/plan.ts';
import { isSettings } from '../reading/nested-settings.ts';

/** Keys whose values speak for themselves. */
const SELF_EXPLAINING: ReadonlySet<string> = new Set(['task', 'variant', 'weights']);
const SHORT_NAMES: ReadonlyMap<string, string> = new Map([
  ['BASE_LR', 'lr'],
  ['WEIGHT_DECAY', 'wd'],
  ['MAX_ITER', 'iter'],
  ['IMS_PER_BATCH', 'batch'],
]);

/** `rabbits`, `lr0.0001`, `batch16`. */
export function labelOf(key: string, value: ConfigValue): string {
  const last = key.split('.').at(-1) ?? key;
  const name = SELF_EXPLAINING.has(key)
    ? ''
    : (SHORT_NAMES.get(last) ?? last.toLowerCase().replaceAll('_', ''));
  return `${name}${plain(value)}`.replace(/^[._-]+/, '') || 'empty';
}

function plain(value: ConfigValue): string {
  if (typeof value === 'number') return String(value);
  if (typeof value === 'string') return clean(value.split('/').filter(Boolean).at(-1) ?? '');
  if (isSettings(value)) return Object.values(value).map(plain).join('_');
  return clean(JSON.stringify(value));
}

function clean(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^a-z0-9.]+/g, '_')
    .replace(/\.\.+/g, '.')
    .replace(/^_+|_+$/g, '');
}
