/** @module A workflow that does nothing but look at a gang, for tests. */
import type { CheckHostInput } from '../../../contracts/health.ts';
import type { Lease } from '../../../contracts/pool.ts';
import { checkGang, type GangHealth } from '../../../workflows/stage/preflight.ts';

export function lookAtGang(
  lease: Lease,
  input: Pick<CheckHostInput, 'run' | 'plan' | 'token'>,
): Promise<GangHealth> {
  return checkGang(lease, input);
}
