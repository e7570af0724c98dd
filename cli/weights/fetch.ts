/**
 * @module `glee weights fetch`: brings artifacts of the catalogue into S3 now, as a run would before its first stage.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { WorkflowFailedError, type Client } from '@temporalio/client';
import { logUpdateStderr } from 'log-update';
import { knownArtifacts, loadCatalogue, withIngredients } from '../../planning/artifact-catalog.ts';
import { readCatalogueDirectory } from '../../planning/environment/env.ts';
import { CONTROL_TASK_QUEUE, weightsWorkflowId } from '../../contracts/ids.ts';
import type { ArtifactPlan, PreparedArtifact } from '../../contracts/weights.ts';
import { withClient } from '../shared/client.ts';
import { UserError } from '../shared/errors.ts';
import { rootCause } from '../shared/observe-run.ts';
import { print, type OutputOptions } from '../shared/output.ts';
import { artifactLine, observePreparation } from '../shared/preparation.ts';
import { sizeText } from '../../contracts/sizes.ts';

const REDRAW_MS = 1000;

export async function fetchArtifacts(names: readonly string[], options: OutputOptions): Promise<void> {
  const catalogue = await loadCatalogue(readCatalogueDirectory());
  const unknown = names.find((name) => !catalogue.has(name));
  if (unknown !== undefined) {
    throw new UserError(`no artifact '${unknown}' in the catalogue${knownArtifacts(unknown, catalogue)}`);
  }
  const artifacts = withIngredients(names, catalogue);
  await withClient(async (client) => {
    const result = await prepare(client, artifacts);
    print(result, options, render);
  });
}

async function prepare(
  client: Client,
  artifacts: readonly ArtifactPlan[],
): Promise<readonly PreparedArtifact[]> {
  const workflowId = weightsWorkflowId(`fetch-${Date.now().toString(36)}`);
  const handle = await client.workflow.start<(input: unknown) => Promise<readonly PreparedArtifact[]>>(
    'prepareWeights',
    {
      workflowId,
      taskQueue: CONTROL_TASK_QUEUE,
      args: [{ artifacts }],
      staticSummary: `fetch ${artifacts.map(({ name }) => name).join(', ')}`,
    },
  );
  const ended = new AbortController();
  const watching = process.stderr.isTTY ? watch(client, workflowId, ended.signal) : Promise.resolve();
  try {
    return await handle.result();
  } catch (error) {
    if (error instanceof WorkflowFailedError) throw new UserError(rootCause(error));
    throw error;
  } finally {
    ended.abort();
    await watching;
  }
}

/** A line an artifact, drawn again each second. */
async function watch(client: Client, workflowId: string, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const artifacts = await observePreparation(client, workflowId).catch(() => []);
    const lines = artifacts.flatMap((artifact) => [artifactLine(artifact), ...artifact.troubles]);
    logUpdateStderr(lines.join('\n'));
    await delay(REDRAW_MS, undefined, { signal }).catch(() => undefined);
  }
  logUpdateStderr.clear();
}

function render(artifacts: readonly PreparedArtifact[]): string {
  return artifacts
    .map(({ name, bucket, key, sha256, sizeBytes, proof, reused }) => {
      const how = reused ? 'was there' : 'is there now';
      return `${name} ${how}: s3://${bucket}/${key}, ${sizeText(sizeBytes)}, sha256 ${sha256} (${proof})`;
    })
    .join('\n');
}
