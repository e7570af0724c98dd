/** @module Settings of workers and of the command line, from the environment. */
import { homedir, hostname } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { z } from 'zod';
import { addressProblem } from '../../contracts/addresses.ts';
import { packageRoot } from './package-root.ts';
import { readVariables } from './read-variables.ts';

/** What GLEE's own code and the scripts around it take as it is; an unusual character would fail far from here. */
const safePath = z
  .string()
  .regex(/^[A-Za-z0-9_./@:+-]+$/, 'may hold letters, digits and _ . / @ : + - only')
  .transform((path) => resolve(path));

/** Literal IPv6 addresses are often written as they stand in URLs. */
const address = z
  .string()
  .transform((text) => text.replace(/^\[(.*)\]$/, '$1'))
  .superRefine((text, context) => {
    const message = addressProblem(text);
    if (message !== undefined) context.addIssue({ code: 'custom', message });
  });

/** A trainer runs in the checkout: what is relative to the worker's folder is made absolute here. */
const program = z.string().transform((path) => (path.includes('/') ? resolve(path) : path));

const name = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, "must be 1 to 63 letters, digits, '.', '_' or '-'");

/** `zone=b,gpu=h100` */
const labels = z
  .string()
  .regex(
    /^([A-Za-z0-9._-]+=[A-Za-z0-9._-]+(,(?!$)|$))*$/,
    "must be key=value pairs with ',' between them, as zone=b,gpu=h100",
  )
  .refine(
    (text) => {
      const keys = text.split(',').map((pair) => pair.split('=')[0]);
      return new Set(keys).size === keys.length;
    },
    { error: 'must say each key once' },
  )
  .transform((text) => {
    const pairs = text === '' ? [] : text.split(',').map((pair) => pair.split('='));
    return Object.fromEntries(pairs.map(([key = '', value = '']) => [key, value] as const));
  });

const storageSchema = z.object({
  GLEE_BUCKET: z.string().min(3).default('glee'),
  GLEE_PREFIX: z
    .string()
    .regex(/^([A-Za-z0-9._-]+\/)*$/, "must be empty or end with '/', as 'team-a/'")
    .default(''),
});

const settingsSchema = storageSchema.extend({
  GLEE_CONFIG_DIR: z.string().default(join(packageRoot, 'configs')),
  GLEE_CHECKOUT: safePath,
  GLEE_PYTHON: z.string().default('python3'),
});

const hostSchema = storageSchema.extend({
  GLEE_CHECKOUT: safePath,
  GLEE_SCRATCH: safePath.optional(),
  XDG_STATE_HOME: z.string().optional(),
  GLEE_HOST: name.default(hostname()),
  GLEE_POOL: name.default('default'),
  GLEE_ADDRESS: address.default(hostname()),
  GLEE_GPUS: z.coerce.number().int().min(1).max(64).optional(),
  GLEE_PRETEND_GPUS: z.enum(['0', '1'], { error: 'must be 1 or 0' }).default('0'),
  GLEE_LABELS: labels.default({}),
  GLEE_DRAIN_MINUTES: z.coerce.number().min(0).default(10),
  GLEE_PYTHON: program.default('python3'),
  GLEE_CACHE_GIB: z.coerce.number().min(0).default(100),
  DETECTRON2_DATASETS: z.string().default('datasets'),
});

/** The names that Hugging Face's own tools read. */
/** Bucket and key prefix; everything else about S3 comes from AWS's own default chain. */
export interface StorageSettings {
  readonly bucket: string;
  /** '' or ends with '/'. */
  readonly prefix: string;
}

/** What planning needs: on control workers and in the command line. */
export interface PlanSettings extends StorageSettings {
  readonly configDirectory: string;
  /** Root of a GLEE checkout. */
  readonly checkout: string;
  /** Asked what keys the checkout defines. */
  readonly python: string;
}

/** What a GPU worker needs to know of its host. */
export interface HostSettings extends StorageSettings {
  readonly checkout: string;
  readonly scratch: string;
  readonly host: string;
  readonly pool: string;
  /** Address at which other hosts reach this one. */
  readonly address: string;
  /** Undefined: all that nvidia-smi finds. */
  readonly gpus: number | undefined;
  readonly labels: Readonly<Record<string, string>>;
  /** Told to leave, the worker waits so long for its host to become free. */
  readonly drainMs: number;
  readonly python: string;
  /** What the cache of weights below `scratch` may hold, in bytes. */
  readonly cacheBytes: number;
  /** It has no GPUs, and there are none to be checked. */
  readonly pretend: boolean;
  /** Folder that the paths of data sets are relative to, as GLEE finds it. */
  readonly datasets: string;
}

/** Why `path` cannot be the value of GLEE_CHECKOUT or GLEE_SCRATCH, or undefined. */
export function pathProblem(path: string): string | undefined {
  const parsed = safePath.safeParse(path);
  return parsed.success ? undefined : parsed.error.issues[0]?.message;
}

/** @throws EnvironmentError naming each invalid variable. */
export function readPlanSettings(): PlanSettings {
  const env = readVariables(settingsSchema);
  const { GLEE_CONFIG_DIR: configDirectory, GLEE_CHECKOUT: checkout, GLEE_PYTHON: python } = env;
  return { ...storage(env), configDirectory, checkout, python };
}

/** @throws EnvironmentError naming each variable that is missing or invalid. */
export function readHostSettings(): HostSettings {
  const env = readVariables(hostSchema);
  return {
    ...storage(env),
    checkout: env.GLEE_CHECKOUT,
    scratch: env.GLEE_SCRATCH ?? privateFolder(env.XDG_STATE_HOME, env.GLEE_HOST),
    host: env.GLEE_HOST,
    pool: env.GLEE_POOL,
    address: env.GLEE_ADDRESS,
    gpus: env.GLEE_GPUS,
    labels: env.GLEE_LABELS,
    drainMs: env.GLEE_DRAIN_MINUTES * 60_000,
    python: env.GLEE_PYTHON,
    cacheBytes: env.GLEE_CACHE_GIB * 2 ** 30,
    pretend: env.GLEE_PRETEND_GPUS === '1',
    // Trainers run in the checkout; detectron2 knows `~`.
    datasets: resolve(env.GLEE_CHECKOUT, env.DETECTRON2_DATASETS.replace(/^~(?=\/|$)/, homedir())),
  };
}

/** No one else may write there, no tidier of old files comes by; by host, since homes are often on a shared disk. */
function privateFolder(stateHome: string | undefined, host: string): string {
  const state =
    stateHome !== undefined && isAbsolute(stateHome) ? stateHome : join(homedir(), '.local/state');
  return join(state, 'glee-pipeline', host);
}

/** Folder with the user's configs and catalogue. */
export function readCatalogueDirectory(): string {
  return readVariables(settingsSchema.pick({ GLEE_CONFIG_DIR: true })).GLEE_CONFIG_DIR;
}

/** What `glee doctor` looks at: a missing checkout is one of its findings, not an error. */
export interface DoctorSettings extends StorageSettings {
  readonly checkout: string | undefined;
  readonly python: string;
  readonly pool: string;
}

/** @throws EnvironmentError naming each invalid variable. */
export function readDoctorSettings(): DoctorSettings {
  const env = readVariables(hostSchema.partial({ GLEE_CHECKOUT: true }));
  return { ...storage(env), checkout: env.GLEE_CHECKOUT, python: env.GLEE_PYTHON, pool: env.GLEE_POOL };
}

/** Variables of the caller's shell that would point a worker of the sandbox elsewhere; undefined removes them. */
export function foreignServiceVariables(): Record<string, undefined> {
  const foreign = Object.keys(process.env).filter((key) => /^(TEMPORAL_|AWS_|GLEE_)/.test(key));
  return Object.fromEntries(foreign.map((key) => [key, undefined]));
}

/** The README says that AWS's SDK will ask for Node 22; said again by every command, it would bury what matters. */
export function quietAwsVersionWarning(): void {
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true';
}

function storage(env: z.infer<typeof storageSchema>): StorageSettings {
  return { bucket: env.GLEE_BUCKET, prefix: env.GLEE_PREFIX };
}
