/** @module A YAML file that remembers where each key stands, so that a problem can name its line. */
import { isAlias, isMap, isScalar, isSeq, LineCounter, type Document, type Node } from 'yaml';
import type { Problem } from '../../contracts/plan.ts';
import { ConfigError } from './problems.ts';
import { parseBounded } from './yaml-bounds.ts';
import { messageOf } from '../../contracts/error-message.ts';

export interface YamlSource {
  /** The file as problems name it. */
  readonly file: string;
  /** The parsed value; undefined where the YAML itself is broken. */
  readonly value: unknown;
  /** What is wrong with the YAML itself. */
  readonly problems: readonly Problem[];
  /** The line of a dotted key, or of the deepest part of it that the file holds. */
  lineOf(key: string): number | undefined;
}

/** Reads YAML 1.2 with `<<`, as the configs of this project are written. */
export function parseYamlSource(file: string, text: string): YamlSource {
  const lines = new LineCounter();
  const { document, faults } = parseBounded(text, { lineCounter: lines, merge: true });
  const { value, wrong } = faults.length > 0 ? { value: undefined, wrong: faults } : valueOf(document);
  return {
    file,
    value,
    problems: wrong.map((fault): Problem => ({ level: 'error', file, key: '', ...fault })),
    lineOf: (key) => {
      const offset = document && offsetOf(document, document.contents, key.split('.'));
      return offset === undefined ? undefined : lines.linePos(offset).line;
    },
  };
}

/** The value of any YAML file of this project's own. @throws ConfigError */
export function parseYamlFile(file: string, text: string): unknown {
  const { value, problems } = parseYamlSource(file, text);
  if (problems.length > 0) throw new ConfigError(problems);
  return value;
}

function valueOf(document: Document.Parsed | undefined): {
  readonly value: unknown;
  readonly wrong: readonly { readonly message: string }[];
} {
  try {
    // What aliases repeat was counted.
    return { value: document?.toJS({ maxAliasCount: -1 }), wrong: [] };
  } catch (error) {
    // Such as `<<` of what is no map.
    const message = `is not valid YAML: ${messageOf(error)}`;
    return { value: undefined, wrong: [{ message }] };
  }
}

function offsetOf(
  document: Document.Parsed,
  node: Node | null | undefined,
  path: readonly string[],
  found?: number,
): number | undefined {
  const [head, ...rest] = path;
  if (head === undefined) return found;
  if (isAlias(node)) return offsetOf(document, node.resolve(document), path, found);
  if (isMap<unknown, Node | null>(node)) {
    const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === head);
    if (pair === undefined || !isScalar(pair.key)) return found;
    return offsetOf(document, pair.value, rest, pair.key.range?.[0]);
  }
  if (isSeq<Node | null>(node)) {
    const item = node.items[Number(head)];
    return offsetOf(document, item, rest, item?.range?.[0] ?? found);
  }
  return found;
}
