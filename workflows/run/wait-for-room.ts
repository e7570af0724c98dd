/**
 * @module Whether hosts have room for what a stage places on them, asked before any is leased: a full disk must not cost
 * a gang's start. Only what is seen counts: a host that does not answer never fails a run.
 */
import { ApplicationFailure, isCancellation, proxyActivities } from '@temporalio/workflow';
import type { HostActivities, StageActivities } from '../../contracts/activities.ts';
import type { TrainStageInput } from '../../contracts/runs.ts';
import type { DiskRoom, PlacedInput } from '../../contracts/training.ts';
import { bookkeeping, measuring } from '../base/activity-profiles.ts';
import { gigabytes } from '../../contracts/sizes.ts';

const control = proxyActivities<StageActivities>(bookkeeping);

/** Of a larger pool so many are asked, for a short history; the others count as not seen. */
const MOST_HOSTS_ASKED = 64;

interface HostRoom {
  readonly host: string;
  /** Undefined where the host did not say. */
  readonly disks: readonly DiskRoom[] | undefined;
}

/** @throws DiskFull when so many hosts lack room that no gang could be formed from the hosts that are there. */
export async function checkRoom({ run, plan, weights, files = [] }: TrainStageInput): Promise<void> {
  if (weights.kind === 'checkout' && files.length === 0) return;
  const { stage, pool, gang } = plan;
  const summary = `look which hosts of pool '${pool}' are there`;
  const hosts = await control.findCandidates.executeWithOptions({ ...bookkeeping, summary }, [
    { run, stage, pool, gang },
  ]);
  const asked = hosts.slice(0, MOST_HOSTS_ASKED);
  const rooms = await Promise.all(asked.map((host) => measure(host, { weights, files })));
  const full = rooms.flatMap(fullDisks);
  const lacking = new Set(full.map(({ host }) => host)).size;
  if (lacking === 0 || hosts.length - lacking >= gang.hosts) return;
  const list = full.map(
    ({ host, path, freeBytes, neededBytes }) =>
      `${host}: ${gigabytes(freeBytes)} free at ${path}, ${gigabytes(neededBytes)} needed`,
  );
  const message = `${stage} needs ${gang.hosts} hosts of pool '${pool}' with room for its weights, and ${lacking} of ${hosts.length} have none; free some there: ${list.join('; ')}`;
  throw ApplicationFailure.create({ type: 'DiskFull', message, nonRetryable: true });
}

async function measure(host: string, placed: PlacedInput): Promise<HostRoom> {
  const options = { ...measuring(host), summary: `look at the disks of ${host}` };
  try {
    return { host, disks: await proxyActivities<HostActivities>(options).measureFreeSpace(placed) };
  } catch (error) {
    if (isCancellation(error)) throw error;
    return { host, disks: undefined };
  }
}

function fullDisks({ host, disks = [] }: HostRoom): readonly (DiskRoom & { readonly host: string })[] {
  return disks.filter((disk) => disk.neededBytes > disk.freeBytes).map((disk) => ({ host, ...disk }));
}
