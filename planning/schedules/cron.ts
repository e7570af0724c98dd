/**
 * @module Cron expressions as Temporal reads them. What its server refuses is refused here, in plainer words and before
 * anything is sent; and so is what it takes for something else without a word: an nth weekday, a step beyond the hour, 30 February.
 */
import { didYouMean } from '../reading/problems.ts';

interface Field {
  readonly name: string;
  readonly low: number;
  readonly high: number;
  /** What may stand for numbers, from `low` on. */
  readonly names?: readonly string[];
}

const FIELDS: readonly Field[] = [
  { name: 'minute', low: 0, high: 59 },
  { name: 'hour', low: 0, high: 23 },
  { name: 'day of month', low: 1, high: 31 },
  {
    name: 'month',
    low: 1,
    high: 12,
    names: ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'],
  },
  { name: 'day of week', low: 0, high: 7, names: ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] },
];

const SHORTHANDS = ['@yearly', '@annually', '@monthly', '@weekly', '@daily', '@midnight', '@hourly'] as const;
/** A leap year's. */
const DAYS = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] as const;

/** Why this is no time to run at, or undefined. */
export function cronProblem(text: string): string | undefined {
  const cron = text.trim();
  if (cron.startsWith('@')) return shorthandProblem(cron);
  if (/^(CRON_)?TZ=/i.test(cron)) return 'says its time zone: give that as --time-zone';
  if (cron.includes('#'))
    return "has a '#', after which Temporal reads nothing: an nth weekday cannot be told";
  const parts = cron.split(/\s+/);
  if (parts.length !== FIELDS.length) {
    return `has ${cron === '' ? 0 : parts.length} fields: write five, minute hour day-of-month month day-of-week, as '0 3 * * mon'`;
  }
  for (const [index, field] of FIELDS.entries()) {
    const problem = fieldProblem(parts[index] ?? '', field);
    if (problem !== undefined) return problem;
  }
  return neverProblem(parts[2] ?? '', parts[3] ?? '');
}

function shorthandProblem(cron: string): string | undefined {
  if (SHORTHANDS.some((one) => one === cron)) return undefined;
  if (cron.startsWith('@every')) return 'is an interval: give it as --every, as --every 12h';
  return `is no shorthand${didYouMean(cron, SHORTHANDS)} (there are ${SHORTHANDS.join(', ')})`;
}

function fieldProblem(text: string, field: Field): string | undefined {
  for (const item of text.split(',')) {
    const [range = '', step, ...more] = item.split('/');
    const [first = '', last, ...others] = range === '*' ? [String(field.low)] : range.split('-');
    if (more.length > 0 || others.length > 0) return `has '${item}' for the ${field.name}: ${howTo(field)}`;
    const [from, to] = [numberOf(first, field), last === undefined ? undefined : numberOf(last, field)];
    if (from === undefined || (last !== undefined && to === undefined)) {
      return `has '${item}' for the ${field.name}: ${howTo(field)}`;
    }
    if (to !== undefined && to < from)
      return `has '${item}' for the ${field.name}, which ends before it begins`;
    const size = Number(step);
    if (step !== undefined && !(/^\d+$/.test(step) && size >= 1 && size <= field.high - field.low)) {
      return `has '${item}' for the ${field.name}: a step must be from 1 to ${field.high - field.low}`;
    }
  }
  return undefined;
}

function howTo({ low, high, names }: Field): string {
  const named = names === undefined ? '' : `, or ${names[0] ?? ''} to ${names.at(-1) ?? ''}`;
  return `write *, ${low} to ${high}${named}, a-b, or one of these with /step`;
}

function numberOf(text: string, { low, high, names = [] }: Field): number | undefined {
  const place = names.indexOf(text.toLowerCase());
  if (place >= 0) return low + place;
  const value = Number(text);
  return /^\d{1,2}$/.test(text) && value >= low && value <= high ? value : undefined;
}

/** 30 February: a schedule that never does anything looks like one that will. */
function neverProblem(day: string, month: string): string | undefined {
  const [, , days, months] = FIELDS;
  if (days === undefined || months === undefined || day.includes('*') || month.includes('*'))
    return undefined;
  const starts = (text: string, field: Field) =>
    text.split(',').map((item) => numberOf(item.split(/[-/]/)[0] ?? '', field) ?? 0);
  const first = Math.min(...starts(day, days));
  const exists = month.split(',').some((item) => {
    const [from = '', to] = (item.split('/')[0] ?? '').split('-');
    const begin = numberOf(from, months) ?? 1;
    const end = to === undefined ? (item.includes('/') ? 12 : begin) : (numberOf(to, months) ?? begin);
    return DAYS.slice(begin - 1, end).some((length) => length >= first);
  });
  return exists ? undefined : `names no day that there is: day ${first} of month ${month}`;
}
