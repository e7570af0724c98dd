/** @module `glee evaluate`: the figures of any checkpoint on any data sets, kept in S3 beside it. */
import Table from 'cli-table3';
import { WorkflowFailedError } from '@temporalio/client';
import { describeRef, parseCheckpointRef } from '../../contracts/checkpoints.ts';
import type { EvaluateInput, EvaluationResult } from '../../contracts/evaluation.ts';
import { CONTROL_TASK_QUEUE } from '../../contracts/ids.ts';
import { withClient } from '../shared/client.ts';
import { UserError } from '../shared/errors.ts';
import { rootCause } from '../shared/observe-run.ts';
import { print, type OutputOptions } from '../shared/output.ts';

export interface EvaluateOptions extends OutputOptions {
  readonly config?: string;
  readonly datasets?: readonly string[];
}

/** Begins it and waits; one that is under way is waited for. */
export async function evaluate(checkpoint: string, options: EvaluateOptions): Promise<void> {
  const ref = parseCheckpointRef(checkpoint);
  if (ref === undefined)
    throw new UserError(
      `'${checkpoint}' names no checkpoint: write run/stage@iterations, as lite-1/stage3@final`,
    );
  const { config, datasets } = options;
  const input = { checkpoint, ...(config !== undefined && { config }), ...(datasets && { datasets }) };
  await withClient(async (client) => {
    const handle = await client.workflow.start<(input: EvaluateInput) => Promise<EvaluationResult>>(
      'evaluate',
      {
        workflowId: ['evaluate', describeRef(ref), config, ...(datasets ?? [])].filter(Boolean).join('/'),
        taskQueue: CONTROL_TASK_QUEUE,
        args: [input],
        staticSummary: checkpoint,
        workflowIdConflictPolicy: 'USE_EXISTING',
      },
    );
    const result = await handle.result().catch((error: unknown) => {
      if (error instanceof WorkflowFailedError) throw new UserError(rootCause(error));
      throw error;
    });
    print(result, options, render);
  });
}

function render({ checkpoint, metrics, files = [] }: EvaluationResult): string {
  const table = new Table({ head: ['data set', 'metric', 'value'], style: { head: [], border: [] } });
  for (const { dataset, metric, value } of metrics) table.push([dataset, metric, value]);
  const figures =
    metrics.length === 0 ? `${checkpoint}: GLEE computes no figure` : `${checkpoint}\n${table.toString()}`;
  return [figures, ...files.map(({ bucket, key }) => `  s3://${bucket}/${key}`)].join('\n');
}
