/**
 * @module Which iterations a run's first stage has done, as its trainers' metrics say that were written in each of them.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { listJobs, type Job } from '../../activities/training/jobs/job.ts';
import type { TestStack } from './stack.ts';

/** Of all its attempts, in order; one that was repeated is there twice. */
export async function iterationsOf(stack: TestStack, run: string): Promise<number[]> {
  const done = await Promise.all((await jobsThatWrote(stack, run)).map(iterationsIn));
  return done.flat().sort((a, b) => a - b);
}

/** Jobs of rank 0's host, oldest first. */
export async function jobsThatWrote({ hosts }: TestStack, run: string): Promise<Job[]> {
  const jobs = await Promise.all(hosts.map(({ scratch }) => listJobs(scratch, { run, stage: 'stage1' })));
  const withMetrics = await Promise.all(
    jobs.flat().map(async (job) => ((await metricsOf(job)) === '' ? [] : [job])),
  );
  return withMetrics.flat().sort((a, b) => a.identity.token - b.identity.token);
}

async function iterationsIn(job: Job): Promise<number[]> {
  // Python writes NaN, for which JSON has no word: an evaluation without objects of a size has such figures.
  const line = z.looseObject({ iteration: z.number(), total_loss: z.number().nullable().optional() });
  const lines = (await metricsOf(job)).trimEnd().split('\n');
  return lines
    .map((text) => line.parse(JSON.parse(text.replaceAll(/\bNaN\b/g, 'null'))))
    .flatMap((entry) => (entry.total_loss === undefined ? [] : [entry.iteration]));
}

function metricsOf(job: Job): Promise<string> {
  return readFile(join(job.output, 'metrics.json'), 'utf8').catch(() => '');
}
