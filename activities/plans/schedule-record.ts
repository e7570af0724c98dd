/** @module What a schedule has brought to its end, in S3: what is new, and what to compare with, is told from it. */
import { z } from 'zod';
import { keys } from '../../contracts/ids.ts';
import type { ScheduleRecord } from '../../contracts/schedule.ts';
import type { ObjectStore } from '../storage/ports/object-store.ts';
import { readObject } from '../storage/schemas.ts';

const MOST_RUNS = 100;

const scheduleRecordSchema: z.ZodType<ScheduleRecord> = z.object({
  runs: z.array(z.object({ run: z.string(), config: z.string(), endedAt: z.string() })),
});

export async function readScheduleRecord(
  store: ObjectStore,
  schedule: string,
  signal?: AbortSignal,
): Promise<ScheduleRecord> {
  return (
    (await readObject(store, keys.schedule(schedule), scheduleRecordSchema, signal))?.value ?? { runs: [] }
  );
}

/** Adds a run, once. Of two that end at the same time, the second to be written reads the first. */
export async function addToRecord(
  store: ObjectStore,
  schedule: string,
  run: ScheduleRecord['runs'][number],
): Promise<ScheduleRecord> {
  const key = keys.schedule(schedule);
  for (;;) {
    const found = await readObject(store, key, scheduleRecordSchema);
    const runs = found?.value.runs ?? [];
    if (runs.some((one) => one.run === run.run)) return { runs };
    const record = { runs: [...runs, run].slice(-MOST_RUNS) };
    const condition = found === undefined ? { ifNoneMatch: '*' as const } : { ifMatch: found.version };
    if ((await store.writeText(key, JSON.stringify(record), condition)) === 'written') return record;
  }
}
