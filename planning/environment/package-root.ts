/** @module Where this package lies: its YAML and JSON files are read from there, from `dist/` as from the sources. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

/** The folder that holds `package.json`. */
export const packageRoot = findPackageRoot(import.meta.dirname);

/** As package.json says. Read without zod, which would add half to the time of --help. */
export function packageVersion(): string {
  const parsed: unknown = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8'));
  const isPackage = typeof parsed === 'object' && parsed !== null && 'version' in parsed;
  if (!isPackage || typeof parsed.version !== 'string') throw new Error('package.json has no version');
  return parsed.version;
}

/** A path as people should read it: relative to the package where it lies inside, else as it is. */
export function shownPath(path: string): string {
  const inside = relative(packageRoot, path);
  return inside.startsWith('..') ? path : inside;
}

function findPackageRoot(from: string): string {
  if (existsSync(join(from, 'package.json'))) return from;
  const parent = dirname(from);
  if (parent === from) throw new Error(`no package.json above ${import.meta.dirname}`);
  return findPackageRoot(parent);
}
