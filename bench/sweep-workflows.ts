/**
 * @module What the bench's worker runs: the sweep as it is, and in the place of a fine-tune a trial that has a process
 * started, which does nothing.
 */
import { proxyActivities, workflowInfo } from '@temporalio/workflow';
import type { FineTuneInput, FineTuneResult } from '../contracts/fine-tune.ts';

export { fineTuneSweep } from '../workflows/sweep/fine-tune-sweep.ts';

export interface EmptyTrialActivities {
  doNothing(segment: { readonly run: string; readonly until?: number }): Promise<void>;
}

const END = 100;

const host = proxyActivities<EmptyTrialActivities>({
  taskQueue: 'bench-host',
  startToCloseTimeout: '1 minute',
  retry: { maximumAttempts: 1 },
});

export async function fineTune({ until, trial }: FineTuneInput): Promise<FineTuneResult> {
  const run = workflowInfo().workflowId;
  await host.doNothing({ run, ...(until !== undefined && { until }) });
  const iterations = until ?? END;
  const place = trial !== undefined && 'place' in trial ? trial.place : 0;
  const file = { bucket: 'none', key: 'none', sha256: 'none', sizeBytes: 0 };
  const checkpoint = `${run}/finetune@${iterations}`;
  const metrics = [{ dataset: 'none', metric: 'bbox/AP', value: (place * 7919) % 1009 }];
  return {
    run,
    stage: {
      stage: 'finetune',
      artifact: { name: checkpoint, ...file, iterations, configFile: 'none' },
      ...{ inputs: 'none', attempts: 1, iterationsRun: 0 },
    },
    evaluations: [{ checkpoint, sha256: 'none', iterations, inputs: 'none', metrics }],
    gpuHours: 0,
  };
}
