/** @module The driver's own words on a GPU that failed: `NVRM: Xid` lines of the kernel's log. */
import { runBriefly } from './run-briefly.ts';

const LIMIT_MS = 10_000;
/** A GPU that was reset since then gets its chance. */
const RECENT_MS = 60 * 60 * 1000;

/**
 * Those that NVIDIA's catalogue lays to the hardware, its links or its firmware. Others, as 13, 31, 43 and 45, are what
 * a program brings about, or follow from it; 63 and 94 say that the GPU has mended itself.
 */
const FAULTS: ReadonlySet<number> = new Set([
  46, 48, 62, 64, 74, 79, 92, 95, 109, 119, 120, 136, 140, 143, 144, 145,
]);

export interface XidEvent {
  /** As `0000:3b:00`. */
  readonly pci: string;
  readonly code: number;
  readonly text: string;
}

/** Faults of the last hour; undefined where this user may not read the kernel's log. */
export async function recentXids(
  signal: AbortSignal,
  now = Date.now(),
): Promise<readonly XidEvent[] | undefined> {
  try {
    const log = await runBriefly('dmesg', ['--time-format', 'iso'], { limitMs: LIMIT_MS, signal });
    return log.split('\n').flatMap((line) => parseXid(line, now));
  } catch {
    return undefined;
  }
}

function parseXid(line: string, now: number): XidEvent[] {
  const [, at = '', pci = '', code, rest = ''] =
    /^(\S+)\s+.*NVRM: Xid \(PCI:([0-9a-f:]+)\): (\d+),?\s*(.*)$/i.exec(line) ?? [];
  if (code === undefined || !FAULTS.has(Number(code))) return [];
  const time = Date.parse(at.replace(',', '.'));
  if (time < now - RECENT_MS) return [];
  return [{ pci: pci.toLowerCase(), code: Number(code), text: `Xid ${code}: ${rest}`.trim() }];
}

/** nvidia-smi writes `00000000:3B:00.0`, the kernel `0000:3b:00`. */
export function isOf({ pci }: XidEvent, busId: string): boolean {
  return busId
    .toLowerCase()
    .replace(/\.\d+$/, '')
    .endsWith(pci);
}
