/**
 * @module Why a trainer that still ran was ended, written down before it is: a worker that takes over in between finds a
 * trainer that a signal has ended, and must not take that for the reason.
 */
import { z } from 'zod';
import { isFailureType } from '../../contracts/failures.ts';
import { hangText } from './progress/hang-detection.ts';
import { readJobFile, writeJobFile } from './jobs/job.ts';
import { spikeText } from './progress/loss-spike.ts';
import { lastLine, readTail } from './progress/metrics.ts';
import type { Rank } from './rank.ts';
import type { TrainerEnd } from './supervise.ts';

const verdictSchema = z.object({
  type: z.string().refine(isFailureType),
  message: z.string(),
  line: z.string(),
  /** Epoch milliseconds. */
  at: z.number(),
  /** False where what it saved last is none to continue from. */
  keepsLast: z.boolean(),
  /** Any host of the gang may be at fault. */
  ofGang: z.literal(true).exactOptional(),
});

export type TrainerVerdict = z.infer<typeof verdictSchema>;

/** Undefined for a trainer that ended by itself. */
export async function passVerdict(rank: Rank, end: TrainerEnd): Promise<TrainerVerdict | undefined> {
  const { job } = rank;
  const before = await readJobFile(job, 'verdict.json', verdictSchema);
  if (before !== undefined || end.kind === 'exited') return before;
  const line = lastLine(await readTail(job.log));
  const verdict = end.kind === 'hangs' ? hanging(end, line) : await spiking(rank, end, line);
  await writeJobFile(job, 'verdict.json', verdict);
  return verdict;
}

function hanging({ hang }: Extract<TrainerEnd, { kind: 'hangs' }>, line: string): TrainerVerdict {
  const message = `${hangText(hang)}; its last line: ${line}`;
  return {
    ...{ type: 'Hang', message, line, at: hang.at, keepsLast: true },
    ...(hang.ofGang && { ofGang: true }),
  };
}

/** A checkpoint from within a spike is none to continue from; one from before it is. */
async function spiking(
  { uploader }: Rank,
  { spike }: Extract<TrainerEnd, { kind: 'spikes' }>,
  line: string,
): Promise<TrainerVerdict> {
  const [first] = spike.lines;
  const keepsLast = first !== undefined && ((await uploader.newestIterations()) ?? 0) < first.iteration;
  const message = `${spikeText(spike)}; so the trainer was ended`;
  return { type: 'LossSpike', message, line, at: Date.now(), keepsLast };
}
