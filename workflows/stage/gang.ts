/**
 * @module One attempt of a gang: all ranks start together and end together.
 */
import { CancellationScope, isCancellation, proxyActivities } from '@temporalio/workflow';
import type { HostActivities } from '../../contracts/activities.ts';
import type { NamedFailure } from '../../contracts/failures.ts';
import type { Lease, LeasedHost } from '../../contracts/pool.ts';
import type { Coverage, TrainRankInput, TrainRankResult } from '../../contracts/training.ts';
import { training } from '../base/activity-profiles.ts';
import type { UnfitGang } from './preflight.ts';
import { blame, iterationsBefore, nameFailure } from './recovery.ts';

export type GangOutcome =
  | { readonly kind: 'finished'; readonly iterationsRun: number; readonly coverage?: Coverage }
  | FailedAttempt
  /** It was ended for the pool's sake or a person's. */
  | { readonly kind: 'stopped'; readonly iterationsRun: number };

export interface FailedAttempt {
  readonly kind: 'failed';
  readonly failure: NamedFailure;
  readonly iterationsRun: number;
  /** What the check of its hosts says besides. */
  readonly unfit?: UnfitGang;
}

export const STOPPED: GangOutcome = { kind: 'stopped', iterationsRun: 0 };

/**
 * Trains one attempt on all hosts of the lease. The first host that fails ends the others, as the scope around it does;
 * every trainer is known to be gone when this returns.
 */
export async function trainGang(
  lease: Lease,
  input: Omit<TrainRankInput, 'machineRank' | 'requestId' | 'gpuIndices' | 'place'>,
): Promise<GangOutcome> {
  const scope = new CancellationScope();
  const ranks = await scope.run(() =>
    Promise.allSettled(
      lease.hosts.map(async (host, machineRank) => {
        try {
          return await trainRank(host.name, { ...input, machineRank, ...partOf(lease, host) });
        } catch (error) {
          scope.cancel();
          throw error;
        }
      }),
    ),
  );
  const failures = ranks.flatMap((rank, index) =>
    rank.status === 'rejected' && !isCancellation(rank.reason)
      ? [nameFailure(rank.reason, lease.hosts[index]?.name ?? 'unknown host')]
      : [],
  );
  // Only rank 0's host counts them, whichever way it ended.
  const iterationsRun = Math.max(
    ...ranks.map((rank) =>
      rank.status === 'fulfilled' ? rank.value.iterationsRun : iterationsBefore(rank.reason),
    ),
  );
  const [first, ...rest] = failures;
  if (CancellationScope.current().consideredCancelled && ranks.some(({ status }) => status === 'rejected'))
    return { kind: 'stopped', iterationsRun };
  if (first === undefined) {
    const [coverage] = ranks.flatMap((rank) =>
      rank.status === 'fulfilled' ? (rank.value.coverage ?? []) : [],
    );
    return { kind: 'finished', iterationsRun, ...(coverage && { coverage }) };
  }
  return { kind: 'failed', failure: blame([first, ...rest]), iterationsRun };
}

/** What a host is told of the lease that it works under. */
export function partOf({ requestId }: Lease, { gpuIndices, place }: LeasedHost) {
  return {
    requestId,
    ...(gpuIndices !== undefined && { gpuIndices }),
    ...(place !== undefined && { place }),
  };
}

function trainRank(host: string, input: TrainRankInput): Promise<TrainRankResult> {
  const { plan, machineRank, attempt, resumeFrom } = input;
  const from = resumeFrom === null ? 'its initial weights' : `iteration ${resumeFrom.iterations}`;
  const options = {
    ...training(host, plan.limits),
    summary: `train ${plan.stage} on ${host} (machine ${machineRank}), attempt ${attempt} from ${from}`,
  };
  return proxyActivities<HostActivities>(options).trainRank(input);
}
