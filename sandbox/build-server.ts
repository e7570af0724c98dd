/** @module A server built with Go from the module proxy, exactly as its pinned go.mod and go.sum say. */
import { rename, rm } from 'node:fs/promises';
import type { PinnedServer } from './pinned.ts';
import { runInGroup } from './run-in-group.ts';

const PROGRESS_INTERVAL_MS = 5000;

export interface BuildOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: (message: string) => void;
}

/**
 * Builds next to the target and renames, so that a target that is there is whole. Minutes the first time; Go's own
 * caches are the user's. @throws with the end of Go's output.
 */
export async function buildServer(
  server: PinnedServer,
  target: string,
  options: BuildOptions,
): Promise<void> {
  await runInGroup('go', ['version'], options).catch(() => {
    throw new Error('no go on PATH');
  });
  const startedAt = performance.now();
  let state = 'downloading its sources';
  const report = () => {
    const seconds = Math.round((performance.now() - startedAt) / 1000);
    options.onProgress(`building ${server.name} ${server.version} with Go: ${state} (${seconds} s)`);
  };
  const ticker = setInterval(report, PROGRESS_INTERVAL_MS);
  const temporary = `${target}.building`;
  try {
    report();
    // Go refuses to write over the torso of a build that was killed.
    await rm(temporary, { force: true });
    const packages = (await go(server, ['list', '-deps'], options)).split('\n').length;
    let compiled = 0;
    const onLine = () => (state = `compiled ${(compiled += 1)} of up to ${packages} packages`);
    // Without symbols and debug information, a third smaller and quicker to link.
    const linker = `-s -w -X ${server.versionSymbol}=${server.version}`;
    await go(server, ['build', '-v', '-ldflags', linker, '-o', temporary], { ...options, onLine });
    await rename(temporary, target);
  } finally {
    clearInterval(ticker);
    await rm(temporary, { force: true });
  }
}

function go(
  server: PinnedServer,
  args: readonly string[],
  options: BuildOptions & { readonly onLine?: () => void },
): Promise<string> {
  return runInGroup('go', [...args, '-mod=readonly', server.goPackage], {
    cwd: server.moduleFolder,
    // No workspace of a folder above us, and no need of a C compiler.
    env: { ...options.env, GOWORK: 'off', CGO_ENABLED: '0' },
    signal: options.signal,
    ...(options.onLine && { onLine: options.onLine }),
  });
}
