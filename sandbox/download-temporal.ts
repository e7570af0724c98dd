/** @module Temporal's dev server as the SDK downloads it, from temporal.download. */
import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import type { BuildOptions } from './build-server.ts';
import type { PinnedServer } from './pinned.ts';
import { runInGroup } from './run-in-group.ts';

/** No connection, or no more bytes: machines without a way out may drop packets rather than refuse. */
const STALL_MS = 20_000;
const LOOK_INTERVAL_MS = 1000;

/**
 * In a process of its own, since the SDK's download can be neither watched nor given up.
 * @throws when it fails, or gets no byte for 20 s.
 */
export async function downloadTemporal(
  server: PinnedServer,
  target: string,
  { env, signal, onProgress }: BuildOptions,
): Promise<void> {
  const folder = `${target}.download`;
  const downloaded = join(folder, `temporal-v${server.version}`);
  const script = join(import.meta.dirname, `download-temporal-process${extname(import.meta.filename)}`);
  const stall = new AbortController();
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  onProgress(`downloading temporal ${server.version}`);
  const watch = watchGrowth(folder, {
    onGrowth: (megabytes) => onProgress(`downloading temporal ${server.version}: ${megabytes} MB`),
    onStall: () =>
      stall.abort(new Error(`nothing came from https://temporal.download for ${STALL_MS / 1000} s`)),
  });
  const signals = signal ? [signal, stall.signal] : [stall.signal];
  try {
    await runInGroup(process.execPath, [script, folder, `v${server.version}`], {
      env,
      signal: AbortSignal.any(signals),
    }).catch((error: unknown) => {
      // The SDK tries the server too, and gives it 5 s: on a busy machine the download may have been good.
      if (!existsSync(downloaded)) throw error;
    });
    await rename(downloaded, target);
  } finally {
    clearInterval(watch);
    await rm(folder, { recursive: true, force: true });
  }
}

function watchGrowth(
  folder: string,
  { onGrowth, onStall }: { onGrowth: (megabytes: number) => void; onStall: () => void },
): NodeJS.Timeout {
  let seen = 0;
  let grownAt = performance.now();
  return setInterval(() => {
    void folderSize(folder).then((size) => {
      if (size > seen) {
        [seen, grownAt] = [size, performance.now()];
        onGrowth(Math.round(size / 1e6));
      } else if (performance.now() - grownAt > STALL_MS) onStall();
    });
  }, LOOK_INTERVAL_MS);
}

async function folderSize(folder: string): Promise<number> {
  const names = await readdir(folder).catch(() => []);
  const sizes = names.map((name) =>
    stat(join(folder, name)).then(
      ({ size }) => size,
      () => 0,
    ),
  );
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}
