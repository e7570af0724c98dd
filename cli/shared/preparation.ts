/**
 * @module How far a preparation of weights is: each artifact's word from the preparation's workflow, and the heartbeat
 * of the activity that brings it, whichever run that belongs to.
 */
import type { Client } from '@temporalio/client';
import pc from 'picocolors';
import { z } from 'zod';
import { artifactWorkflowId } from '../../contracts/ids.ts';
import type { ArtifactStatus, WeightsProgress } from '../../contracts/weights.ts';
import { weightsStateQuery } from '../../workflows/base/messages.ts';
import { heartbeats, pendingTroubles, unlessMissing } from './pending.ts';
import { duration } from './durations.ts';
import { sizeText } from '../../contracts/sizes.ts';

export interface ArtifactSnapshot {
  readonly name: string;
  readonly status: ArtifactStatus['status'];
  /** Null while no one works on it. */
  readonly progress: WeightsProgress | null;
  /** What Temporal keeps retrying. */
  readonly troubles: readonly string[];
}

const progressSchema: z.ZodType<WeightsProgress> = z.object({
  artifact: z.string(),
  phase: z.enum(['checking', 'downloading', 'verifying', 'converting', 'merging']),
  doneBytes: z.number(),
  totalBytes: z.number().exactOptional(),
  bytesPerSecond: z.number().exactOptional(),
  etaSeconds: z.number().exactOptional(),
  note: z.string().exactOptional(),
});

/** @param workflowId Of the `prepareWeights` that is looked at; empty when it does not answer. */
export async function observePreparation(
  client: Client,
  workflowId: string,
): Promise<readonly ArtifactSnapshot[]> {
  const state = await client.workflow
    .getHandle(workflowId)
    .query(weightsStateQuery)
    .catch(() => undefined);
  return Promise.all((state?.artifacts ?? []).map((artifact) => observeArtifact(client, artifact)));
}

async function observeArtifact(client: Client, { name, status }: ArtifactStatus): Promise<ArtifactSnapshot> {
  const idle = { name, status, progress: null, troubles: [] };
  if (status !== 'preparing') return idle;
  const description = await unlessMissing(client.workflow.getHandle(artifactWorkflowId(name)).describe());
  if (description === undefined) return idle;
  const [progress = null] = heartbeats(description, progressSchema);
  return { name, status, progress, troubles: pendingTroubles(description) };
}

/** `swin-large  downloading  35 %  276 MB of 788 MB  12.3 MB/s  ETA 42 s` */
export function artifactLine({ name, status, progress }: ArtifactSnapshot): string {
  if (status === 'ready') return `${name}  ${pc.green('ready')}`;
  if (progress === null) return `${name}  ${pc.dim(status)}`;
  const { phase, doneBytes, totalBytes, bytesPerSecond = 0, etaSeconds, note } = progress;
  return [
    name,
    pc.cyan(phase),
    totalBytes === undefined ? '' : `${percent(doneBytes, totalBytes)} %`,
    `${sizeText(doneBytes)}${totalBytes === undefined ? '' : ` of ${sizeText(totalBytes)}`}`,
    bytesPerSecond === 0 ? '' : `${sizeText(bytesPerSecond)}/s`,
    etaSeconds === undefined ? '' : `ETA ${duration(etaSeconds)}`,
    note === undefined ? '' : pc.yellow(note),
  ]
    .filter(Boolean)
    .join('  ');
}

function percent(doneBytes: number, totalBytes: number): number {
  return totalBytes === 0 ? 100 : Math.floor((100 * doneBytes) / totalBytes);
}
