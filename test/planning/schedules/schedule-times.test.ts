import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cronProblem } from '../../../planning/schedules/cron.ts';
import { scheduleTimes, type AskedTimes } from '../../../planning/schedules/schedule-times.ts';

const ASKED: AskedTimes = { cron: [], every: [], timeZone: 'UTC', overlap: 'skip', catchUp: '1d' };

test('crons that Temporal reads as they are meant are let through', () => {
  const good = [
    '0 3 * * mon',
    '*/15 0-6,22 * * 1-5',
    '0 3 1 JAN,jul *',
    '0 0 29 2 *',
    '0 3 31 feb-mar *',
    '@daily',
  ];
  for (const cron of [...good, '0 3 * * 7', '5/10 * * * *', '0 3 31 2/1 *', ' 0  3 * * * '])
    assert.equal(cronProblem(cron), undefined, cron);
});

test('a cron that the server refuses, or takes for something else, is refused with what to write', () => {
  const wrong: readonly [cron: string, message: RegExp][] = [
    ['', /has 0 fields: write five/],
    ['* * *', /has 3 fields/],
    ['0 0 3 * * 1', /has 6 fields/],
    ['61 * * * *', /'61' for the minute: write \*, 0 to 59/],
    ['0 3 * * monday', /'monday' for the day of week: write \*, 0 to 7, or sun to sat/],
    ['0 3 ? * L', /'\?' for the day of month/],
    ['5-1 * * * *', /ends before it begins/],
    ['*/0 * * * *', /a step must be from 1 to 59/],
    ['1-2-3 * * * *', /'1-2-3' for the minute/],
    ['*/70 * * * *', /a step must be/],
    ['0 3 * * mon#1', /an nth weekday cannot be told/],
    ['0 3 30 2 *', /names no day that there is: day 30 of month 2/],
    ['0 3 31 feb,apr-apr *', /names no day/],
    ['TZ=Europe/Berlin 0 3 * * *', /--time-zone/],
    ['@every 5m', /--every/],
    ['@dayly', /is no shorthand; did you mean '@daily'/],
  ];
  for (const [cron, message] of wrong) assert.match(cronProblem(cron) ?? 'none', message, cron);
});

test('times are what was asked for, in milliseconds', () => {
  const asked = {
    ...ASKED,
    cron: ['@weekly'],
    every: ['12h', '7d/3h'],
    jitter: '5m',
    timeZone: 'Europe/Berlin',
  };
  assert.deepEqual(scheduleTimes(asked), {
    cron: ['@weekly'],
    intervals: [
      { everyMs: 43_200_000, offsetMs: 0 },
      { everyMs: 604_800_000, offsetMs: 10_800_000 },
    ],
    timeZone: 'Europe/Berlin',
    overlap: 'skip',
    jitterMs: 300_000,
    catchUpMs: 86_400_000,
  });
});

test('all that is wrong with times is told at once', () => {
  const wrong = {
    every: ['0s', '1h/2h', 'daily'],
    timeZone: '+01:00',
    overlap: 'skipp',
    jitter: 'x',
    catchUp: '1s',
  };
  const found = scheduleTimes({ ...ASKED, ...wrong });
  assert.ok('problems' in found);
  assert.deepEqual(
    found.problems.map((problem) => problem.replace(/[:;].*/, '')),
    [
      "--every '0s' is none",
      "--every '1h/2h' is none",
      "--every 'daily' is none",
      "--time-zone '+01",
      "--overlap 'skipp' is none",
      "--jitter 'x' is none",
      "--catch-up '1s' is none",
    ],
  );
  assert.deepEqual(scheduleTimes(ASKED), { problems: ["say when: --cron '0 3 * * mon', or --every 12h"] });
});
