/** @module The Python that has detectron2's real engine. */
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

const caches = process.env.XDG_CACHE_HOME ?? '';

/** What `.ci/detectron2-venv.sh` makes, and CI runs. */
export const DETECTRON2_PYTHON = join(
  caches === '' ? join(homedir(), '.cache') : caches,
  'glee-pipeline/detectron2-venv/bin/python',
);

/** A reason to skip tests that need it, or false. */
export const withoutDetectron2 = existsSync(DETECTRON2_PYTHON)
  ? false
  : `no ${DETECTRON2_PYTHON}: .ci/detectron2-venv.sh makes it, where Debian's python3-torch and PyPI are to be had`;
