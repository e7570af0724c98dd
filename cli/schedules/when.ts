/** @module Times of schedules as people read them. */
import type { ScheduleDescription } from '@temporalio/client';
import { duration } from '../shared/durations.ts';

/** `Mon 2026-11-30 03:00 Europe/Berlin` */
export function timeIn(iso: string, timeZone: string): string {
  const parts = new Intl.DateTimeFormat('en-GB', {
    timeZone,
    weekday: 'short',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  }).formatToParts(new Date(iso));
  const part = (type: string) => parts.find((one) => one.type === type)?.value ?? '';
  const date = `${part('year')}-${part('month')}-${part('day')}`;
  return `${part('weekday')} ${date} ${part('hour')}:${part('minute')} ${timeZone}`;
}

/** The zone that a schedule's times are in; one that was made with the stock tool may name none. */
export function timeZoneOf({ timezone = '' }: Pick<ScheduleDescription['spec'], 'timezone'>): string {
  return timezone === '' ? 'UTC' : timezone;
}

/** `'0 3 * * mon', every 12 h`. The comment of a calendar has the cron's text, where `glee schedule create` made it. */
export function whenText({
  calendars = [],
  intervals = [],
}: Pick<ScheduleDescription['spec'], 'calendars' | 'intervals'>): string {
  const times = calendars.map(({ comment = '' }) => (comment === '' ? 'a calendar' : `'${comment}'`));
  const every = intervals.map(({ every: ms, offset }) => {
    const later = offset === 0 ? '' : ` + ${duration(offset / 1000)}`;
    return `every ${duration(ms / 1000)}${later}`;
  });
  return [...times, ...every].join(', ');
}
