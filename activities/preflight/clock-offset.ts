/** @module How far this host's clock is from S3's, which all hosts share. */
import { failed, faulty, passed, type Finding } from './finding.ts';

/** S3 refuses a signature that is a quarter of an hour old, and leases and logs are read by the clock long before. */
export const MOST_CLOCK_OFFSET_MS = 60_000;

export interface ClockLook {
  readonly finding: Finding;
  readonly clockOffsetMs?: number;
}

/** @param serverDate In epoch milliseconds, cut to a second; undefined where the server does not say. */
export async function lookAtClock(serverDate: () => Promise<number | undefined>): Promise<ClockLook> {
  const asked = Date.now();
  const date = await serverDate();
  const answered = Date.now();
  if (date === undefined) return { finding: failed("S3's answer has no Date") };
  const clockOffsetMs = Math.round((asked + answered) / 2 - (date + 500));
  const said = `${describe(clockOffsetMs)} S3's`;
  if (Math.abs(clockOffsetMs) <= MOST_CLOCK_OFFSET_MS) return { finding: passed(said), clockOffsetMs };
  return {
    finding: faulty(`${said}: let it follow a time server (chrony, systemd-timesyncd)`),
    clockOffsetMs,
  };
}

function describe(offsetMs: number): string {
  const seconds = Math.abs(offsetMs / 1000).toFixed(1);
  return `${seconds} s ${offsetMs < 0 ? 'behind' : 'ahead of'}`;
}
