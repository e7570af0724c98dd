/** @module All parsers that read what someone else wrote. A new one is a line in one of the lists. */
import { CONFIG_TARGETS } from './targets-configs.ts';
import { HOST_TARGETS } from './targets-hosts.ts';
import { MESSAGE_TARGETS } from './targets-messages.ts';
import { SCREEN_TARGETS } from './targets-screen.ts';
import { WEIGHTS_TARGETS } from './targets-weights.ts';
import type { Target } from './target.ts';

export const TARGETS: readonly Target[] = [
  ...WEIGHTS_TARGETS,
  ...CONFIG_TARGETS,
  ...HOST_TARGETS,
  ...MESSAGE_TARGETS,
  ...SCREEN_TARGETS,
];
