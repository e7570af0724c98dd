/** @module Finds a config by its name and reads it; every problem names file, line and key. */
import { readdir, readFile } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { packageRoot, shownPath } from './package-root.ts';
import { ConfigError, didYouMean } from './problems.ts';
import { schemaProblems } from './schema-problems.ts';
import { jointConfigSchema, jointJsonSchema, type JointConfig } from './schema.ts';
import { parseYamlSource, type YamlSource } from './yaml-source.ts';

/** Where the configs lie that come with this package. */
export const defaultConfigDirectory = join(packageRoot, 'configs');

export interface LoadedJointConfig {
  /** As the user named it: `joint/lite`. */
  readonly name: string;
  readonly config: JointConfig;
  readonly source: YamlSource;
}

/**
 * Reads the joint training config `name` (`joint/lite`) below `directory`.
 * @throws ConfigError with all that is wrong with it.
 */
export async function loadJointConfig(
  name: string,
  directory: string = defaultConfigDirectory,
): Promise<LoadedJointConfig> {
  const names = await listJointConfigs(directory);
  // The name is only ever compared with files that were found, so it can't lead anywhere else.
  if (!names.includes(name)) throw new ConfigError([unknownConfig(name, names, directory)]);
  const path = join(directory, `${name}.yaml`);
  const source = parseYamlSource(shownPath(path), await readFile(path, 'utf8'));
  if (source.problems.length > 0) throw new ConfigError(source.problems);
  const parsed = jointConfigSchema.safeParse(source.value);
  if (!parsed.success) {
    throw new ConfigError(schemaProblems(parsed.error.issues, source, jointJsonSchema()));
  }
  return { name, config: parsed.data, source };
}

/** Names of the joint training configs below `directory`, sorted. */
export async function listJointConfigs(directory: string = defaultConfigDirectory): Promise<string[]> {
  const files = await readdir(join(directory, 'joint'), { recursive: true }).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  });
  return files
    .filter((file) => file.endsWith('.yaml'))
    .map((file) => `joint/${file.slice(0, -'.yaml'.length).split(sep).join('/')}`)
    .sort();
}

function unknownConfig(name: string, names: readonly string[], directory: string) {
  const asked = name.replace(/\.ya?ml$/, '').replace(/^(\.\/)?configs\//, '');
  const known = names.length === 0 ? 'there are none' : `there are ${names.join(', ')}`;
  return {
    level: 'error',
    file: shownPath(directory),
    key: '',
    message: `no config '${name}'${didYouMean(asked, names)} (${known})`,
  } as const;
}
