/**
 * @module Which checkpoints of a stage may go: a pure decision over what S3 has.
 */
import { isMilestone, isOnLine, type Checkpoint, type Retention } from '../../contracts/checkpoints.ts';
import type { StageSnapshot } from './snapshot.ts';

/**
 * Checkpoints that no one wants any more, oldest first. Never among them: what the head names, the final one, those that
 * are pinned, and what the newest attempt has saved beyond its head, which it may be about to commit.
 */
export function expired(
  { head, checkpoints, pins, resultKey }: StageSnapshot,
  retention: Retention,
): readonly Checkpoint[] {
  // Without a head nothing is known to be superseded.
  const current = head?.checkpoint;
  if (head === undefined || current === null || current === undefined) return [];
  const { left } = head;
  const newest = Math.max(2, retention.newest);
  const behind = checkpoints.filter((one) => one.iterations <= current.iterations && isOnLine(one, left));
  const kept = new Set([...behind.slice(-newest), ...checkpoints.filter(isWanted)].map(idOf));
  return checkpoints.filter((checkpoint) => !kept.has(idOf(checkpoint)));

  function isWanted(checkpoint: Checkpoint): boolean {
    const { iterations, token, final, file } = checkpoint;
    // Also of an attempt that has claimed the stage since the head was read.
    const isAhead = token >= (head?.token ?? 0) && iterations > (current?.iterations ?? 0);
    const isNamed = file.key === current?.file.key || file.key === resultKey;
    return (
      final ||
      isAhead ||
      isMilestone(retention, iterations) ||
      isNamed ||
      pins.some((pin) => idOf(pin) === idOf(checkpoint))
    );
  }
}

/** Within its stage. */
export function idOf({ token, name }: { readonly token: number; readonly name: string }): string {
  return `${token}/${name}`;
}
