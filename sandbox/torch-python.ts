/** @module A Python with torch, for what can only be shown with real torch. */
import { execa } from 'execa';

/** The one in the PATH, or the system's, which has Debian's python3-torch; undefined when neither has it. */
export async function pythonWithTorch(): Promise<string | undefined> {
  for (const candidate of ['python3', '/usr/bin/python3']) {
    const look = 'import sys, importlib.util; sys.exit(importlib.util.find_spec("torch") is None)';
    const { failed } = await execa(candidate, ['-c', look], { reject: false });
    if (!failed) return candidate;
  }
  return undefined;
}
