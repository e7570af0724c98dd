/** @module When a schedule runs, as options of several commands. */
import { Option, type Command } from 'commander';
import {
  DEFAULT_TIMES,
  OVERLAP_POLICIES,
  scheduleTimes,
  type AskedTimes,
  type ScheduleTimes,
} from '../../planning/schedules/schedule-times.ts';
import { UserError } from '../shared/errors.ts';

const { timeZone, overlap, catchUp } = DEFAULT_TIMES;

export function withTimes(command: Command): Command {
  return command
    .addOption(several('--cron <times>', "as '0 3 * * mon'; repeatable"))
    .addOption(several('--every <interval>', 'as 12h or 7d; 7d/3h is offset by 3 hours, counted from 1970'))
    .option('--time-zone <zone>', 'time zone of --cron, as Europe/Berlin', timeZone)
    .option(
      '--overlap <policy>',
      `while the previous run still runs: ${OVERLAP_POLICIES.join(', ')}`,
      overlap,
    )
    .option('--jitter <time>', 'random delay, at most this long, as 10m')
    .option('--catch-up <time>', 'how late a missed time may still start, after Temporal was down', catchUp);
}

/** @throws UserError with all that is wrong with them. */
export function readTimes(asked: AskedTimes): ScheduleTimes {
  const times = scheduleTimes(asked);
  if ('problems' in times) throw new UserError(times.problems.join('\n'));
  return times;
}

function several(flags: string, description: string): Option {
  return new Option(flags, description).argParser(collect).default([], 'none');
}

function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}
