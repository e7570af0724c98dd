/** @module A YAML file that remembers where each key stands, so that a problem can name its line. */
import { isMap, isScalar, isSeq, LineCounter, parseDocument, type Node } from 'yaml';
import type { Problem } from '../contracts/plan.ts';

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

/** Reads YAML 1.2, as the configs of this project are written. */
export function parseYamlSource(file: string, text: string): YamlSource {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const problems = document.errors.map((error): Problem => ({
    level: 'error',
    file,
    key: '',
    line: lines.linePos(skipBlanks(text, error.pos[0])).line,
    message: `is no valid YAML: ${error.message}`,
  }));
  return {
    file,
    value: problems.length > 0 ? undefined : document.toJS(),
    problems,
    lineOf: (key) => {
      const offset = offsetOf(document.contents, key.split('.'));
      return offset === undefined ? undefined : lines.linePos(offset).line;
    },
  };
}

/** An error behind an empty value is placed at the line break before it. */
function skipBlanks(text: string, offset: number): number {
  return offset + Math.max(0, text.slice(offset).search(/\S/));
}

function offsetOf(
  node: Node | null | undefined,
  path: readonly string[],
  found?: number,
): number | undefined {
  const [head, ...rest] = path;
  if (head === undefined) return found;
  if (isMap<unknown, Node | null>(node)) {
    const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === head);
    if (pair === undefined || !isScalar(pair.key)) return found;
    return offsetOf(pair.value, rest, pair.key.range?.[0]);
  }
  if (isSeq<Node | null>(node)) {
    const item = node.items[Number(head)];
    return offsetOf(item, rest, item?.range?.[0] ?? found);
  }
  return found;
}
