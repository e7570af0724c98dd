/**
 * @module What trainer/rank_records.py says of each rank of this host: whether it waits for others, and what it takes by itself.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Job } from '../jobs/job.ts';
import { readJobTail } from '../jobs/job-files.ts';

const rankSchema = z.object({
  /** The one that it is in, counted from 0. */
  iteration: z.number(),
  /** Its own part of the iteration is done. */
  waits: z.boolean(),
  /** Median of its own parts, data and forward pass, over the last iterations; null before there is one. */
  ownSeconds: z.number().nullable(),
});

/** A host has no more ranks than GPUs. */
const RANK_FILE = /^rank-\d{1,2}\.json$/;
const LONGEST_BYTES = 1024;

export type RankRecord = z.infer<typeof rankSchema>;

/** Empty where no companion says anything. One that is just being written is left out until the next look. */
export async function readRanks({ folder }: Pick<Job, 'folder'>): Promise<RankRecord[]> {
  const names = (await readdir(folder)).filter((name) => RANK_FILE.test(name)).sort();
  const texts = await Promise.all(names.map((name) => readJobTail(join(folder, name), LONGEST_BYTES)));
  return texts.flatMap(parse);
}

/** What the slowest of them takes by itself for an iteration; a host is as fast as that. */
export function ownSecondsOf(ranks: readonly RankRecord[]): number | undefined {
  const known = ranks.flatMap(({ ownSeconds }) => ownSeconds ?? []);
  return known.length === 0 ? undefined : Math.max(...known);
}

function parse(text: string): RankRecord[] {
  try {
    const { success, data } = rankSchema.safeParse(JSON.parse(text));
    return success ? [data] : [];
  } catch {
    return [];
  }
}
