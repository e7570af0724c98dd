/** @module Finds a config by its name and reads it; every problem names file, line and key. */
import { readdir } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { stringify } from 'yaml';
import type { z } from 'zod';
import { fineTuneConfigSchema, fineTuneJsonSchema, type FineTuneConfig } from './schemas/fine-tune-schema.ts';
import { packageRoot, shownPath } from './environment/package-root.ts';
import { ConfigError, didYouMean } from './reading/problems.ts';
import { schemaProblems } from './reading/schema-problems.ts';
import type { Problem } from '../contracts/plan.ts';
import type { Settings } from './reading/nested-settings.ts';
import { jointConfigSchema, jointJsonSchema, type JointConfig } from './schemas/joint-schema.ts';
import { readConfigText } from './reading/small-file.ts';
import { parseYamlSource, type YamlSource } from './reading/yaml-source.ts';

/** Where the configs lie that come with this package. */
export const defaultConfigDirectory = join(packageRoot, 'configs');

/** What a config is for: the folder that it lies in. */
export type ConfigKind = 'joint' | 'finetune' | 'sweeps';

export interface LoadedConfig<T> {
  /** As the user named it: `joint/lite`. */
  readonly name: string;
  readonly config: T;
  readonly source: YamlSource;
}

/**
 * Reads the joint training config `name` (`joint/lite`) below `directory`.
 * @throws ConfigError with all that is wrong with it.
 */
export function loadJointConfig(
  name: string,
  directory: string = defaultConfigDirectory,
): Promise<LoadedConfig<JointConfig>> {
  return load(name, directory, 'joint', jointConfigSchema, jointJsonSchema());
}

/**
 * Reads the fine-tune's config `name` (`finetune/odinw-rabbits`) below `directory`.
 * @throws ConfigError with all that is wrong with it.
 */
export function loadFineTuneConfig(
  name: string,
  directory: string = defaultConfigDirectory,
): Promise<LoadedConfig<FineTuneConfig>> {
  return load(name, directory, 'finetune', fineTuneConfigSchema, fineTuneJsonSchema());
}

/**
 * The same of settings that a sweep has made of such a config.
 * @param name What they are called in messages.
 */
export function parseFineTuneConfig(name: string, settings: Settings): LoadedConfig<FineTuneConfig> {
  const source = parseYamlSource(name, stringify(settings));
  return parseConfig(name, source, fineTuneConfigSchema, fineTuneJsonSchema());
}

/** Names of the joint training configs below `directory`, sorted. */
export function listJointConfigs(directory: string = defaultConfigDirectory): Promise<string[]> {
  return listConfigs(directory, 'joint');
}

/** Names of the fine-tunes' configs below `directory`, sorted. */
export function listFineTuneConfigs(directory: string = defaultConfigDirectory): Promise<string[]> {
  return listConfigs(directory, 'finetune');
}

async function load<T>(
  name: string,
  directory: string,
  kind: ConfigKind,
  schema: z.ZodType<T>,
  jsonSchema: unknown,
): Promise<LoadedConfig<T>> {
  return parseConfig(name, await readConfig(name, directory, kind), schema, jsonSchema);
}

/**
 * A config's YAML, sound as such.
 * @param asker The file that names it, under `base`, if a person did not.
 */
export async function readConfig(
  name: string,
  directory: string,
  kind: ConfigKind,
  asker?: YamlSource,
): Promise<YamlSource> {
  const names = await listConfigs(directory, kind);
  // The name is only ever compared with files that were found, so it can't lead anywhere else.
  if (!names.includes(name)) throw new ConfigError([unknownConfig(name, names, directory, asker)]);
  const path = join(directory, `${name}.yaml`);
  const source = parseYamlSource(shownPath(path), await readConfigText(path));
  if (source.problems.length > 0) throw new ConfigError(source.problems);
  return source;
}

export function parseConfig<T>(
  name: string,
  source: YamlSource,
  schema: z.ZodType<T>,
  jsonSchema: unknown,
): LoadedConfig<T> {
  if (source.problems.length > 0) throw new ConfigError(source.problems);
  const parsed = schema.safeParse(source.value);
  if (!parsed.success) throw new ConfigError(schemaProblems(parsed.error.issues, source, jsonSchema));
  return { name, config: parsed.data, source };
}

/** Names of the configs of one kind below `directory`, sorted. */
export async function listConfigs(directory: string, kind: ConfigKind): Promise<string[]> {
  const files = await readdir(join(directory, kind), { recursive: true }).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  });
  return files
    .filter((file) => file.endsWith('.yaml'))
    .map((file) => `${kind}/${file.slice(0, -'.yaml'.length).split(sep).join('/')}`)
    .sort();
}

function unknownConfig(
  name: string,
  names: readonly string[],
  directory: string,
  asker: YamlSource | undefined,
): Problem {
  const asked = name.replace(/\.ya?ml$/, '').replace(/^(\.\/)?configs\//, '');
  const known = names.length === 0 ? 'there are none' : `there are ${names.join(', ')}`;
  const line = asker?.lineOf('base');
  return {
    level: 'error',
    file: asker?.file ?? shownPath(directory),
    key: asker === undefined ? '' : 'base',
    ...(line !== undefined && { line }),
    message: `no config '${name}'${didYouMean(asked, names)} (${known})`,
  };
}
