/**
 * @module The recorded paths through the workflows' code, each a history in `histories/<scenario>.json`.
 */
import { join } from 'node:path';
import { packageRoot } from '../../planning/environment/package-root.ts';

export const SCENARIOS = [
  'joint-trained',
  'joint-reused-stages',
  'joint-refused-config',
  'joint-cancelled',
  'joint-prepared-weights',
  'joint-room-checked',
  'weights-prepared',
  'artifact-fetched',
  'artifact-converted',
  'artifact-merged',
  'stage-trained',
  'stage-trainer-killed',
  'stage-bad-setting',
  'stage-cancelled',
  'pool',
  'joint-started-again',
  'stage-host-lost',
  'stage-damaged-checkpoint',
  'stage-continued',
  'stage-after-continued',
  'pool-continued',
  'pool-after-continued',
  'stage-controlled',
  'joint-controlled',
  'stage-yielded',
  'stage-rested',
  'pool-preempted',
  'stage-gpu-fault',
  'pool-quarantined',
  'stage-drained',
  'pool-drained',
  'fine-tuned',
  'evaluated',
  'swept',
  'scheduled',
  'scheduled-nothing',
  'swept-continued',
  'swept-after-continued',
] as const;

export type Scenario = (typeof SCENARIOS)[number];

export function isScenario(name: string): name is Scenario {
  return SCENARIOS.some((scenario) => scenario === name);
}

export const historiesFolder = join(packageRoot, 'test/replay/histories');
