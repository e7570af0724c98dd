import assert from 'node:assert/strict';
import { test } from 'node:test';
import { timeIn, timeZoneOf, whenText } from '../../cli/schedules/when.ts';

const day = { start: 1, end: 1, step: 1 };
const calendar = (comment?: string) => ({
  ...{ second: [], minute: [], hour: [], dayOfMonth: [], month: [], year: [] },
  dayOfWeek: [{ ...day, start: 'MONDAY', end: 'MONDAY' } as const],
  ...(comment !== undefined && { comment }),
});

test("a schedule's times are its crons' texts, and a calendar that was made without one says so", () => {
  const intervals = [{ every: 43_200_000, offset: 0 }];
  assert.equal(
    whenText({ calendars: [calendar('0 3 * * mon')], intervals }),
    "'0 3 * * mon', every 12 h 0 min",
  );
  // As the server tells what the stock tool made.
  assert.equal(whenText({ calendars: [calendar('')], intervals: [] }), 'a calendar');
  assert.equal(whenText({ calendars: [calendar()], intervals: [] }), 'a calendar');
});

test('a schedule that names no time zone goes by UTC', () => {
  assert.equal(timeIn('2026-11-30T03:00:00Z', timeZoneOf({ timezone: '' })), 'Mon 2026-11-30 03:00 UTC');
  assert.equal(timeIn('2026-11-30T03:00:00Z', timeZoneOf({})), 'Mon 2026-11-30 03:00 UTC');
  assert.match(timeIn('2026-11-30T03:00:00Z', timeZoneOf({ timezone: 'Europe/Berlin' })), / 04:00 Europe/);
});
