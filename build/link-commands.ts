/**
 * @module Puts this package's own commands where `npx` looks first. npm links those of dependencies only, and `npx glee`
 * would fetch a stranger's package of that name from the registry.
 */
import { chmod, mkdir, readFile, rename, symlink } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { z } from 'zod';
import { packageRoot } from '../planning/environment/package-root.ts';

const manifest = z.object({ bin: z.record(z.string(), z.string()) });
const { bin } = manifest.parse(JSON.parse(await readFile(join(packageRoot, 'package.json'), 'utf8')));
const folder = join(packageRoot, 'node_modules/.bin');
await mkdir(folder, { recursive: true });
for (const [command, file] of Object.entries(bin)) {
  const target = join(packageRoot, file);
  await chmod(target, 0o755);
  const temporary = join(folder, `.${command}.${process.pid}`);
  await symlink(relative(folder, target), temporary);
  await rename(temporary, join(folder, command));
}
