/**
 * @module Where the embedded servers come from: PATH, else this project's cache, else a build from source, whose
 * modules Go compares with the checksums of go.sum. A server that runs already is never used: the demo kills its servers,
 * and a shell may well have the address of a lab's own.
 */
import { constants } from 'node:fs';
import { access, mkdir } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { execa } from 'execa';
import { buildServer, type BuildOptions } from './build-server.ts';
import { withLock } from './lock.ts';
import { cachedServerPath, readPinnedServer, type PinnedServer, type ServerName } from './pinned.ts';
import { messageOf } from '../contracts/error-message.ts';

const VERSION_TIMEOUT_MS = 10_000;

export interface ObtainOptions {
  /** Gets a line every few seconds while something takes long. */
  readonly onProgress?: (message: string) => void;
  readonly signal?: AbortSignal | undefined;
  /** PATH, XDG_CACHE_HOME, and what Go and proxies read. @default process.env */
  readonly env?: NodeJS.ProcessEnv;
}

/**
 * The path of an executable server, at least as new as the pinned version: older versitygws check `If-Match` without
 * a lock, so that two concurrent writers may both win.
 * @throws saying what was tried and what to install when there is no way.
 */
export async function obtainServer(name: ServerName, options: ObtainOptions = {}): Promise<string> {
  const { onProgress = () => undefined, signal, env = process.env } = options;
  const server = await readPinnedServer(name);
  const cached = cachedServerPath(server, env);
  const { path, refusals } = await findOnPath(server, env);
  if (path !== undefined) return path;
  if (await isExecutable(cached)) return cached;

  await mkdir(dirname(cached), { recursive: true });
  const onWait = (pid: number) =>
    onProgress(`waiting for process ${pid}, which obtains ${name} ${server.version}`);
  return withLock(`${cached}.lock`, { onWait, signal }, async () => {
    // The process that we have waited for may have brought it.
    if (!(await isExecutable(cached))) await build(server, cached, refusals, { env, signal, onProgress });
    return cached;
  });
}

/** An executable on PATH, or why those that are there won't do. A development build, without a version, will. */
async function findOnPath(server: PinnedServer, env: NodeJS.ProcessEnv) {
  const refusals: string[] = [];
  for (const folder of (env.PATH ?? '').split(delimiter)) {
    const path = join(folder, server.name);
    if (folder === '' || !(await isExecutable(path))) continue;
    const { failed, stdout } = await execa(path, ['--version'], {
      env,
      extendEnv: false,
      timeout: VERSION_TIMEOUT_MS,
      reject: false,
    });
    const version = /\d+\.\d+\.\d+(?!-DEV)/.exec(stdout)?.[0] ?? server.version;
    if (failed) refusals.push(`PATH: \`${path} --version\` fails`);
    else if (isOlder(version, server.version)) refusals.push(`PATH: ${path} is ${version}, too old`);
    else return { path, refusals };
  }
  if (refusals.length === 0) refusals.push(`PATH: no ${server.name}`);
  return { path: undefined, refusals };
}

async function build(
  server: PinnedServer,
  target: string,
  refusals: readonly string[],
  options: BuildOptions,
): Promise<void> {
  try {
    await buildServer(server, target, options);
  } catch (error) {
    options.signal?.throwIfAborted();
    const failure = `build with Go: ${messageOf(error)}`;
    throw new Error(adviceFor(server, [...refusals, `cache: no ${target}`, failure]), { cause: error });
  }
}

function adviceFor(server: PinnedServer, failures: readonly string[]): string {
  const { name, product, version, home, goVersion } = server;
  return [
    `there is no ${name} (${product}) to run. Tried:`,
    ...failures.map((failure) => `  - ${failure.replaceAll('\n', '\n    ')}`),
    'Do one of these, then start again:',
    `  - install ${name} ${version} or newer so that it is on PATH: ${home}`,
    `  - install Go ${goVersion} or newer (https://go.dev/dl) with a way to its module proxy; it is built then`,
  ].join('\n');
}

function isOlder(version: string, than: string): boolean {
  return version.localeCompare(than, 'en', { numeric: true }) < 0;
}

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}
