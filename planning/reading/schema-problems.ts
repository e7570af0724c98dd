/** @module Turns what zod says of a config into problems for people: key, what is wrong, what would be right. */
import type { z } from 'zod';
import type { Problem } from '../../contracts/plan.ts';
import { alternatives, didYouMean } from './problems.ts';
import type { YamlSource } from './yaml-source.ts';

type Issue = z.core.$ZodIssue;
type Path = readonly PropertyKey[];

const TYPE_NAMES: ReadonlyMap<string, string> = new Map([
  ['object', 'a map'],
  ['record', 'a map'],
  ['array', 'a list'],
  ['string', 'a text'],
  ['number', 'a number'],
  ['int', 'a whole number'],
  ['boolean', 'true or false'],
]);

/** One problem an issue, or several for a map with several unknown keys. */
export function schemaProblems(
  issues: readonly Issue[],
  source: YamlSource,
  jsonSchema: unknown,
): readonly Problem[] {
  return issues
    .flatMap((issue) => describe(issue, issue.path, source, jsonSchema))
    .sort((a, b) => (a.line ?? 0) - (b.line ?? 0));
}

function describe(issue: Issue, path: Path, source: YamlSource, schema: unknown): Problem[] {
  const value = at(source.value, path);
  if (typeof value === 'number' && !Number.isFinite(value)) {
    const message = `must be a finite number, not ${value}: plans have no other`;
    return [problemAt(source, path, message)];
  }
  if (issue.code === 'unrecognized_keys') {
    const known = keysAt(schema, path);
    return issue.keys.map((key) => problemAt(source, [...path, key], unknownKey(key, known)));
  }
  if (issue.code === 'invalid_union') {
    const closest = closestBranch(issue.errors);
    return closest.flatMap((inner) => describe(inner, [...path, ...inner.path], source, schema));
  }
  return [problemAt(source, path, messageOf(issue, value, path))];
}

function problemAt(source: YamlSource, path: Path, message: string): Problem {
  const key = path.map(String).join('.');
  const line = source.lineOf(key);
  return { level: 'error', file: source.file, key, ...(line === undefined ? {} : { line }), message };
}

/** What is wrong with one value, and what would be right. */
function messageOf(
  issue: Exclude<Issue, { readonly code: 'unrecognized_keys' | 'invalid_union' }>,
  value: unknown,
  path: Path,
): string {
  switch (issue.code) {
    case 'invalid_value': {
      const right = issue.values.map(String);
      if (value === undefined) return `is missing: ${alternatives(right)}`;
      return `${show(value)} is none of ${alternatives(right)}${didYouMean(show(value), right)}`;
    }
    case 'invalid_type': {
      const expected = TYPE_NAMES.get(issue.expected) ?? issue.expected;
      if (value === undefined) return `is missing: ${expected}`;
      return value === null && path.length === 0 ? 'is empty' : `must be ${expected}, not ${show(value)}`;
    }
    case 'too_small':
      return `must ${sizeOf(issue.origin)} at least ${issue.minimum}, not ${shownSize(value)}`;
    case 'too_big':
      // Texts have messages of their own.
      if (issue.origin === 'string') return issue.message;
      return `must ${sizeOf(issue.origin)} at most ${issue.maximum}, not ${shownSize(value)}`;
    case 'invalid_format':
      return `${show(value)} ${issue.message}`;
    case 'custom':
    case 'invalid_element':
    case 'invalid_key':
    case 'not_multiple_of':
      return issue.message;
  }
}

function unknownKey(key: string, known: readonly string[]): string {
  const guess = didYouMean(key, known);
  return `unknown key${guess === '' ? `; known here: ${known.join(', ')}` : guess}`;
}

/** The branch of a union that the user most likely meant: one of the value's type, and of those the one with the least to change. */
function closestBranch(branches: readonly (readonly Issue[])[]): readonly Issue[] {
  const otherType = (branch: readonly Issue[]) =>
    branch.some(({ code, path }) => code === 'invalid_type' && path.length === 0) ? 1 : 0;
  return [...branches].sort((a, b) => otherType(a) - otherType(b) || a.length - b.length)[0] ?? [];
}

/** Keys that the JSON Schema allows in the map at `path`. */
function keysAt(schema: unknown, path: Path): readonly string[] {
  const nodes = path.reduce<readonly Json[]>(
    (nodes, step) =>
      nodes.flatMap((node) =>
        // A map with names of the user's own has its values' form in additionalProperties.
        expand(child(node.properties, String(step)) ?? node.additionalProperties, schema),
      ),
    expand(schema, schema),
  );
  return nodes.flatMap((node) => (isJson(node.properties) ? Object.keys(node.properties) : []));
}

function expand(node: unknown, root: unknown): readonly Json[] {
  if (!isJson(node)) return [];
  const referred = typeof node.$ref === 'string' ? [at(root, node.$ref.replace('#/', '').split('/'))] : [];
  const branches = [node.anyOf, node.allOf].flatMap((list): readonly unknown[] =>
    Array.isArray(list) ? list : [],
  );
  return [node, ...[...referred, ...branches].flatMap((inner) => expand(inner, root))];
}

type Json = Readonly<Record<string, unknown>>;

function isJson(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function child(value: unknown, key: string): unknown {
  if (Array.isArray(value)) return value[Number(key)];
  return isJson(value) ? value[key] : undefined;
}

function at(value: unknown, path: Path): unknown {
  return path.reduce<unknown>((inner, step) => child(inner, String(step)), value);
}

function sizeOf(origin: string): string {
  return origin === 'array' ? 'have' : 'be';
}

function shownSize(value: unknown): string {
  return Array.isArray(value) ? String(value.length) : show(value);
}

const LONGEST_SHOWN = 100;

/** In one line of a screen. */
function show(value: unknown): string {
  const text = typeof value === 'string' ? value.slice(0, LONGEST_SHOWN + 1) : JSON.stringify(value);
  const cut = text.length > LONGEST_SHOWN ? `${text.slice(0, LONGEST_SHOWN)}…` : text;
  const shown = /\p{Cc}/u.test(cut) ? JSON.stringify(cut) : cut;
  return typeof value === 'string' && shown === cut ? `'${cut}'` : shown;
}
