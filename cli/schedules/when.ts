/** @module Times of schedules as people read them. */
import type { ScheduleDescription } from '@temporalio/client';
import { duration } from '../durations.ts';

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

/** `'0 3 * * mon', every 12 h`. The server keeps a cron's text as the comment of the calendar that it makes of it. */
export function whenText({ calendars = [], intervals = [] }: ScheduleDescription['spec']): string {
  const times = calendars.map(({ comment }) => `'${comment ?? 'a calendar'}'`);
  const every = intervals.map(({ every: ms, offset }) => {
    const later = offset === 0 ? '' : ` + ${duration(offset / 1000)}`;
    return `every ${duration(ms / 1000)}${later}`;
  });
  return [...times, ...every].join(', ');
}
