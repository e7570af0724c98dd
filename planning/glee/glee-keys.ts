/** @module The keys that GLEE and detectron2 define, with their types: yacs refuses all others, and other types. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { packageRoot } from '../environment/package-root.ts';
import { parseYamlFile } from '../reading/yaml-source.ts';

export const KEY_TYPES = ['int', 'float', 'bool', 'str', 'list', 'any'] as const;
export type KeyType = (typeof KEY_TYPES)[number];

/** Section -> type -> names; the section '' holds the keys at the top. */
const keysSchema = z.record(z.string(), z.partialRecord(z.enum(KEY_TYPES), z.array(z.string())));

/** Type of a dotted key, or undefined where neither GLEE nor detectron2 defines it. */
export function gleeKeyType(key: string): KeyType | undefined {
  return gleeKeys().get(key);
}

/** All keys with their types, read once from `glee-keys.yaml`. */
export function gleeKeys(): ReadonlyMap<string, KeyType> {
  loaded ??= readKeys();
  return loaded;
}

let loaded: ReadonlyMap<string, KeyType> | undefined;

function readKeys(): ReadonlyMap<string, KeyType> {
  const text = readFileSync(join(packageRoot, 'configs/glee-keys.yaml'), 'utf8');
  const sections = keysSchema.parse(parseYamlFile('configs/glee-keys.yaml', text));
  return new Map(
    Object.entries(sections).flatMap(([section, types]) =>
      KEY_TYPES.flatMap((type) =>
        (types[type] ?? []).map((name) => [section === '' ? name : `${section}.${name}`, type] as const),
      ),
    ),
  );
}
