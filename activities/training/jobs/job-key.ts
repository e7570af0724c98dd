/**
 * @module Which job a folder below the scratch folder is of: its place says so, `jobs/<run>/<stage>/<token>`, whatever lies
 * in it.
 */
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { runIdProblem } from '../../../contracts/ids.ts';

/** Which attempt of which stage. */
export interface JobKey {
  readonly run: string;
  readonly stage: string;
  readonly token: number;
}

/** Why a key can name no job, or undefined when it can. */
export function keyProblem({ run, stage, token }: JobKey): string | undefined {
  const isToken = Number.isSafeInteger(token) && token >= 0;
  return runIdProblem(run) ?? runIdProblem(stage) ?? (isToken ? undefined : `${token} is no fencing token`);
}

/** What a job's folder says of it by its place below the scratch folder; undefined for any other folder. */
export function keyOf(scratch: string, folder: string): JobKey | undefined {
  const root = join(scratch, 'jobs');
  const [run = '', stage = '', name = '', ...more] = folder.slice(root.length + 1).split('/');
  const key = { run, stage, token: tokenOf(name) };
  const isJob = folder.startsWith(`${root}/`) && more.length === 0 && keyProblem(key) === undefined;
  return isJob ? key : undefined;
}

export function folderOf(scratch: string, { run, stage, token }: JobKey): string {
  return join(scratch, 'jobs', run, stage, String(token));
}

/** Of all folders that can be a job's, or of those of one stage. */
export async function listKeys(
  scratch: string,
  of?: { readonly run: string; readonly stage: string },
): Promise<JobKey[]> {
  const root = join(scratch, 'jobs');
  const runs = of === undefined ? await subfolders(root) : [of.run];
  const found = await Promise.all(
    runs.map(async (run) => {
      const stages = of === undefined ? await subfolders(join(root, run)) : [of.stage];
      return Promise.all(
        stages.map(async (stage) =>
          (await subfolders(join(root, run, stage))).map((name) => ({ run, stage, token: tokenOf(name) })),
        ),
      );
    }),
  );
  return found.flat(2).filter((key) => keyProblem(key) === undefined);
}

/** Whether what there is of the job's folders are folders: through a link, files would be removed somewhere else. */
export async function hasOwnFolders(scratch: string, { run, stage, token }: JobKey): Promise<boolean> {
  const below = ['jobs', run, stage, String(token), 'out'];
  const paths = below.map((_, depth) => join(scratch, ...below.slice(0, depth + 1)));
  const found = await Promise.all(paths.map((path) => lstat(path).catch(() => undefined)));
  return found.every((one) => one === undefined || one.isDirectory());
}

/** NaN for what is none, as for one with zeros before it. */
function tokenOf(name: string): number {
  return String(Number(name)) === name ? Number(name) : Number.NaN;
}

async function subfolders(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  return entries.flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));
}
