/** @module Which test files need Temporal, S3 or trainers: those whose code, or what it imports, can start them. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

const IMPORT = /(?:from|import\()\s*["']([^"']+)["']/g;
const PACKAGES: ReadonlySet<string> = new Set(['@temporalio/worker', '@temporalio/testing']);
/** Below the folder of compiled code. */
const STARTERS = /^sandbox\/(servers|stack|obtain)\.js$|^test\/(integration|sandbox|trainer)\//;

/**
 * @param root Folder of compiled code.
 * @param file Path of a compiled test file.
 */
export function needsServices(root: string, file: string): boolean {
  const seen = new Set<string>();
  const reaches = (path: string): boolean => {
    if (seen.has(path) || !existsSync(path)) return false;
    seen.add(path);
    if (STARTERS.test(relative(root, path))) return true;
    const names = [...readFileSync(path, 'utf8').matchAll(IMPORT)].flatMap(([, name]) => name ?? []);
    return names.some((name) =>
      name.startsWith('.') ? reaches(join(dirname(path), name)) : PACKAGES.has(name),
    );
  };
  return reaches(file);
}
