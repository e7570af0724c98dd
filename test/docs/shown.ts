/** @module What the documentation shows: its pages, their links, the paths that they name, and their command lines. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../planning/environment/package-root.ts';

export interface Page {
  /** Relative to the repository's root. */
  readonly path: string;
  readonly text: string;
}

/** All Markdown pages of the repository that people read. */
export function pages(): readonly Page[] {
  const root = packageRoot;
  const isOurs = (path: string) => !/(^|\/)(node_modules|dist|\.sandbox|\.git)\//.test(path);
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.md') && isOurs(path))
    .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }));
}

/** Targets of a page's links, without those to other sites. */
export function linksOf({ text }: Page): readonly string[] {
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = '']) => target)
    .filter((target) => !/^[a-z]+:/.test(target));
}

/** GitHub's anchors of a page's headings. */
export function anchorsOf({ text }: Page): ReadonlySet<string> {
  const headings = [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => heading);
  return new Set(
    headings.map((heading) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );
}

/** Files and folders of the repository that a page names in backquotes, as `workers/control.ts` or `test/storm/`. */
export function pathsOf({ text }: Page): readonly string[] {
  const rooms = readdirSync(packageRoot, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
    .map(({ name }) => name);
  return [...withoutBlocks(text).matchAll(/`([A-Za-z][\w.-]*(?:\/[\w.-]+)+\/?)`/g)]
    .map(([, path = '']) => path)
    .filter((path) => rooms.includes(path.split('/')[0] ?? ''));
}

/** Command lines of `program`, in blocks and in backquotes, split into words as a shell does. */
export function commandLinesOf({ text }: Page, program: string): readonly (readonly string[])[] {
  const blocks = [...text.matchAll(/^```\w*\n([^]*?)^```/gm)].flatMap(([, block = '']) => block.split('\n'));
  const inline = [...withoutBlocks(text).matchAll(/`([^`\n]+)`/g)].map(([, code = '']) => code);
  return [...blocks, ...inline].flatMap((line) => {
    const words = shellWords(line);
    const start = words.findIndex((word) => !/^[A-Z0-9_]+=/.test(word) && word !== 'npx');
    return words[start] === program ? [words.slice(start + 1)] : [];
  });
}

function withoutBlocks(text: string): string {
  return text.replaceAll(/^```\w*\n[^]*?^```/gm, '');
}

/** Up to a comment, a pipe, a redirection or a second command. */
function shellWords(line: string): readonly string[] {
  const words = [...line.matchAll(/"([^"]*)"|'([^']*)'|(&&|[|>;#])|([^\s"'|>;#]+)/g)];
  const end = words.findIndex(([, , , stop]) => stop !== undefined);
  return (end < 0 ? words : words.slice(0, end)).map(
    ([, double, single, , bare]) => double ?? single ?? bare ?? '',
  );
}
