/**
 * @module `glee weights fetch`: brings artifacts of the catalogue into S3 now, as a run would before its first stage.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { defaultPayloadConverter } from '@temporalio/common';
import { logUpdateStderr } from 'log-update';
import { z } from 'zod';
import { knownArtifacts, loadCatalogue, withIngredients } from '../../configs/artifacts.ts';
import { readCatalogueDirectory } from '../../configs/env.ts';
import { artifactWorkflowId, CONTROL_TASK_QUEUE, weightsWorkflowId } from '../../contracts/ids.ts';
import type { ArtifactPlan, PreparedArtifact } from '../../contracts/weights.ts';
import { withClient } from '../client.ts';
import { UserError } from '../errors.ts';
import { print, type OutputOptions } from '../output.ts';
import { sizeText } from './sizes.ts';

const REDRAW_MS = 1000;

const progressSchema = z.object({
  phase: z.string(),
  doneBytes: z.number(),
  totalBytes: z.number().optional(),
  etaSeconds: z.number().optional(),
  note: z.string().optional(),
});

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
  const handle = await client.workflow.start<(input: unknown) => Promise<readonly PreparedArtifact[]>>(
    'prepareWeights',
    {
      workflowId: weightsWorkflowId(`fetch-${Date.now().toString(36)}`),
      taskQueue: CONTROL_TASK_QUEUE,
      args: [{ artifacts }],
      staticSummary: `fetch ${artifacts.map(({ name }) => name).join(', ')}`,
    },
  );
  const ended = new AbortController();
  const watching = process.stderr.isTTY ? watch(client, artifacts, ended.signal) : Promise.resolve();
  try {
    return await handle.result();
  } finally {
    ended.abort();
    await watching;
  }
}

/** A line an artifact, from the heartbeats of the activities that bring them. */
async function watch(client: Client, artifacts: readonly ArtifactPlan[], signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const lines = await Promise.all(artifacts.map(({ name }) => progressLine(client, name)));
    logUpdateStderr(lines.join('\n'));
    await delay(REDRAW_MS, undefined, { signal }).catch(() => undefined);
  }
  logUpdateStderr.clear();
}

async function progressLine(client: Client, name: string): Promise<string> {
  const description = await client.workflow
    .getHandle(artifactWorkflowId(name))
    .describe()
    .catch(() => undefined);
  const [payload] = description?.raw.pendingActivities?.[0]?.heartbeatDetails?.payloads ?? [];
  const progress = payload && progressSchema.safeParse(defaultPayloadConverter.fromPayload(payload)).data;
  if (progress === undefined) return `${name}: ${description?.status.name.toLowerCase() ?? 'waiting'}`;
  const { phase, doneBytes, totalBytes, etaSeconds, note } = progress;
  const total = totalBytes === undefined ? '' : ` of ${sizeText(totalBytes)}`;
  const eta = etaSeconds === undefined ? '' : `, ${String(etaSeconds)} s to go`;
  return `${name}: ${phase} ${sizeText(doneBytes)}${total}${eta}${note === undefined ? '' : ` (${note})`}`;
}

function render(artifacts: readonly PreparedArtifact[]): string {
  return artifacts
    .map(({ name, bucket, key, sha256, sizeBytes, proof, reused }) => {
      const how = reused ? 'was there' : 'is there now';
      return `${name} ${how}: s3://${bucket}/${key}, ${sizeText(sizeBytes)}, sha256 ${sha256} (${proof})`;
    })
    .join('\n');
}
