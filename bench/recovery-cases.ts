/**
 * @module What the measurements of a recovery say: the cases, ours beside the peer's.
 */
import { recoverySeconds, type Killed } from './kill.ts';
import type { Case } from './measure.ts';
import type { HostFault, HostRound } from './recovery-hosts.ts';

export const RECOVERY_CASES = {
  'trainer-sigkill': 'both ranks on one host: from the SIGKILL to the first new iteration',
  'trainer-sigkill-overhead': "the same, less the trainer's own start without any pipeline",
  'gang-sigkill': 'a rank on each of two hosts: from the SIGKILL to the first new iteration',
  'gang-sigkill-overhead': "the same, less the trainers' own start without any pipeline",
  'worker-sigkill':
    "two hosts: SIGKILL of what watches a host's rank (ours: the GPU worker; Ray's: the raylet); the longest time without an iteration",
  'host-unreachable':
    'two hosts and a spare one: from the moment at which a host is cut off to the first new iteration',
  'iterations-repeated': 'iterations that were done before the SIGKILL and are run again',
  'iterations-repeated-needlessly': 'of these, those that a saved checkpoint had already',
} as const;

/** Once through: the peer's is undefined where there is none, and so is a gang that was not asked for. */
export interface Round {
  readonly trainer: Ours | undefined;
  readonly gang: Ours | undefined;
  readonly peer: Killed | undefined;
}

export interface Ours extends Killed {
  /** Seconds from the spawn of the trainers, without any pipeline, to their first iteration. */
  readonly ownStart: number;
}

export function recoveryCases(
  rounds: readonly Round[],
  hostRounds: readonly HostRound[],
  peerName: string | null,
): Case[] {
  const collect = (value: (round: Round) => number | undefined) =>
    rounds.map(value).filter((one) => one !== undefined);
  const toCase = (
    name: keyof typeof RECOVERY_CASES,
    unit: string,
    ours: (round: Round) => number | undefined,
    peer: (round: Round) => number | undefined,
  ): Case => ({ bench: 'recovery', case: name, unit, ours: collect(ours), peer: collect(peer), peerName });
  /** Of the peer, too, the own start of this same trainer is taken off: what remains is the machinery around it. */
  const overhead = (killed: Killed | undefined, trainer: Ours | undefined) =>
    killed && trainer && recoverySeconds(killed) - trainer.ownStart;
  const ofHosts = (name: keyof typeof RECOVERY_CASES, fault: HostFault): Case => {
    const those = hostRounds.filter((round) => round.fault === fault);
    const [ours, peer] = [those.map((round) => round.ours), those.flatMap((round) => round.peer ?? [])];
    return {
      ...{ bench: 'recovery', case: name, unit: 's', peerName },
      ...{ ours: ours.map(recoverySeconds), peer: peer.map(recoverySeconds) },
    };
  };
  const needless = (killed: Killed | undefined) => killed && killed.repeated - killed.unsaved;
  return [
    toCase(
      'trainer-sigkill',
      's',
      ({ trainer }) => seconds(trainer),
      ({ peer }) => seconds(peer),
    ),
    toCase(
      'trainer-sigkill-overhead',
      's',
      ({ trainer }) => overhead(trainer, trainer),
      ({ peer, trainer }) => overhead(peer, trainer),
    ),
    toCase(
      'gang-sigkill',
      's',
      ({ gang }) => seconds(gang),
      ({ peer }) => seconds(peer),
    ),
    toCase(
      'gang-sigkill-overhead',
      's',
      ({ gang }) => overhead(gang, gang),
      ({ peer, gang }) => overhead(peer, gang),
    ),
    ofHosts('worker-sigkill', 'worker'),
    ofHosts('host-unreachable', 'unreachable'),
    toCase(
      'iterations-repeated',
      'iterations',
      ({ trainer }) => trainer?.repeated,
      ({ peer }) => peer?.repeated,
    ),
    toCase(
      'iterations-repeated-needlessly',
      'iterations',
      ({ trainer }) => needless(trainer),
      ({ peer }) => needless(peer),
    ),
  ];
}

function seconds(killed: Killed | undefined): number | undefined {
  return killed && recoverySeconds(killed);
}
