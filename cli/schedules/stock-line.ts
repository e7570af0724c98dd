/** @module The line with which Temporal's own command line makes the same schedule. */
import type { OverlapPolicy, ScheduleTimes } from '../../planning/schedules/schedule-times.ts';
import { CONTROL_TASK_QUEUE } from '../../contracts/ids.ts';

export function stockLine(schedule: string, config: string, times: ScheduleTimes): string {
  const { cron, intervals, timeZone, overlap, jitterMs, catchUpMs } = times;
  const options = [
    ['schedule-id', schedule],
    ...cron.map((one) => ['cron', one]),
    ...intervals.map(({ everyMs, offsetMs }) => [
      'interval',
      offsetMs === 0 ? seconds(everyMs) : `${seconds(everyMs)}/${seconds(offsetMs)}`,
    ]),
    ['time-zone', timeZone],
    ['overlap-policy', stockName(overlap)],
    ...(jitterMs > 0 ? [['jitter', seconds(jitterMs)]] : []),
    ['catchup-window', seconds(catchUpMs)],
    ['workflow-id', schedule],
    ['type', 'scheduledRun'],
    ['task-queue', CONTROL_TASK_QUEUE],
    ['input', JSON.stringify({ config })],
  ];
  const words = options.map(([name = '', value = '']) => `--${name} ${quoted(value)}`);
  return `temporal schedule create ${words.join(' ')}`;
}

function seconds(ms: number): string {
  return `${ms / 1000}s`;
}

/** `buffer-one` is `BufferOne`. */
function stockName(policy: OverlapPolicy): string {
  return policy
    .split('-')
    .map((word) => word.slice(0, 1).toUpperCase() + word.slice(1))
    .join('');
}

/** For a POSIX shell. */
function quoted(text: string): string {
  return /^[\w./:@+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
