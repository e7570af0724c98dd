/**
 * @module The servers of the embedded default and the versions they are pinned to. A server's `go.mod` is the one
 * place that says which: `binaries/<name>/go.mod` names the package (`tool`), its version and the Go it needs.
 */
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../planning/environment/package-root.ts';

export type ServerName = 'temporal' | 'versitygw';

/** What to tell people, and the linker, about each server. */
const SERVERS = {
  temporal: {
    product: "Temporal's command line",
    home: 'https://docs.temporal.io/cli',
    versionSymbol: 'github.com/temporalio/cli/temporalcli.Version',
  },
  versitygw: {
    product: 'Versity S3 Gateway',
    home: 'https://github.com/versity/versitygw/releases',
    versionSymbol: 'main.Version',
  },
} as const;

export interface PinnedServer {
  readonly name: ServerName;
  readonly product: string;
  /** Where a person gets it. */
  readonly home: string;
  /** The Go variable that `--version` prints. */
  readonly versionSymbol: string;
  /** Without the `v`. */
  readonly version: string;
  readonly goPackage: string;
  /** The oldest Go that builds it. */
  readonly goVersion: string;
  /** Holds go.mod and go.sum. */
  readonly moduleFolder: string;
}

export async function readPinnedServer(name: ServerName): Promise<PinnedServer> {
  const moduleFolder = join(packageRoot, 'sandbox', 'binaries', name);
  const goMod = await readFile(join(moduleFolder, 'go.mod'), 'utf8');
  const goPackage = /^tool (\S+)$/m.exec(goMod)?.[1];
  const goVersion = /^go (\S+)$/m.exec(goMod)?.[1];
  const requirement = [...goMod.matchAll(/^\s*(?:require )?(\S+) v(\S+)/gm)].find(
    ([, module]) => module !== undefined && goPackage?.startsWith(`${module}/`),
  );
  const version = requirement?.[2];
  if (goPackage === undefined || goVersion === undefined || version === undefined) {
    throw new Error(`${moduleFolder}/go.mod must have a "go" line, a "tool" line and that tool's version`);
  }
  return { name, ...SERVERS[name], version, goPackage, goVersion, moduleFolder };
}

/** Outside the work tree, so that fresh clones and `git clean` keep what took minutes to build. */
export function cachedServerPath(server: PinnedServer, env: NodeJS.ProcessEnv): string {
  const caches = env.XDG_CACHE_HOME ?? '';
  const folder = caches === '' ? join(homedir(), '.cache') : caches;
  const file = `${server.name}-${server.version}-${process.platform}-${process.arch}`;
  return join(folder, 'glee-pipeline', 'bin', file);
}
