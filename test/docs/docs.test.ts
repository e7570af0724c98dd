import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, it } from 'node:test';
import type { Command } from 'commander';
import { z } from 'zod';
import { gleeProgram } from '../../cli/program.ts';
import { packageRoot } from '../../planning/environment/package-root.ts';
import { anchorsOf, commandLinesOf, linksOf, pages, pathsOf } from './shown.ts';

const PAGES = pages();
const packageJson = z
  .object({ scripts: z.record(z.string(), z.string()) })
  .parse(JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')));

/** @returns what is wrong with a command line; undefined for one that the program takes. */
function problemOf(words: readonly string[], command: Command): string | undefined {
  const [first, ...rest] = words;
  const sub = command.commands.find((one) => one.name() === first);
  if (sub !== undefined) return problemOf(rest, sub);
  if (command.commands.length > 0 && first !== undefined && !first.startsWith('-') && first !== '…')
    return `'${first}' is no command of '${command.name()}'`;
  const unknown = words
    .filter((word) => /^--\w/.test(word))
    .find((word) => word !== '--help' && !command.options.some((option) => option.long === word));
  return unknown === undefined ? undefined : `'${command.name()}' has no option ${unknown}`;
}

/** What --help prints for a command and all below it. */
function helpsOf(command: Command): readonly string[] {
  let text = '';
  command.configureOutput({ writeOut: (part) => (text += part) }).outputHelp();
  return [text, ...command.commands.flatMap((sub) => helpsOf(sub))];
}

/** Examples stand on lines of their own, with their meaning after some spaces. */
function exampleLinesOf(text: string): readonly (readonly string[])[] {
  const examples = [...text.matchAll(/^ {2}((?:[A-Z_]+=\S+ )?glee .*?)(?: {3,}.*)?$/gm)];
  return examples.flatMap(([, line = '']) =>
    commandLinesOf({ path: '', text: `\`${line.replaceAll('`', "'")}\`` }, 'glee'),
  );
}

describe('the documentation', () => {
  it('is found, and shows command lines', () => {
    assert.ok(PAGES.some(({ path }) => path === 'README.md') && PAGES.length > 10);
    assert.ok(PAGES.flatMap((page) => commandLinesOf(page, 'glee')).length > 50);
  });

  it('has no link that leads nowhere', () => {
    const broken = PAGES.flatMap((page) =>
      linksOf(page).flatMap((link) => {
        const [file = '', anchor] = link.split('#');
        const path = file === '' ? page.path : normalize(join(dirname(page.path), file));
        if (!existsSync(join(packageRoot, path))) return [`${page.path}: ${link}`];
        const target = PAGES.find((one) => one.path === path);
        const isBroken = anchor !== undefined && target !== undefined && !anchorsOf(target).has(anchor);
        return isBroken ? [`${page.path}: ${link}`] : [];
      }),
    );
    assert.deepEqual(broken, []);
  });

  it('names no file of the repository that is not there', () => {
    const missing = PAGES.flatMap((page) =>
      pathsOf(page)
        .filter((path) => {
          const found = statSync(join(packageRoot, path), { throwIfNoEntry: false });
          return found === undefined || (path.endsWith('/') && !found.isDirectory());
        })
        .map((path) => `${page.path}: ${path}`),
    );
    assert.deepEqual(missing, []);
  });

  it('shows commands and options that glee has', () => {
    const wrong = PAGES.flatMap((page) =>
      commandLinesOf(page, 'glee').flatMap((words) => {
        const problem = problemOf(words, gleeProgram());
        return problem === undefined ? [] : [`${page.path}: glee ${words.join(' ')}: ${problem}`];
      }),
    );
    assert.deepEqual(wrong, []);
  });

  it('and each --help show commands and options that glee has', () => {
    const lines = helpsOf(gleeProgram()).flatMap((text) => exampleLinesOf(text));
    assert.ok(lines.length > 40);
    const wrong = lines.flatMap((words) => {
      const problem = problemOf(words, gleeProgram());
      return problem === undefined ? [] : [`glee ${words.join(' ')}: ${problem}`];
    });
    assert.deepEqual(wrong, []);
  });

  it('shows npm scripts that package.json has', () => {
    const unknown = PAGES.flatMap((page) =>
      commandLinesOf(page, 'npm').flatMap(([verb, script]) =>
        verb === 'run' && script !== undefined && packageJson.scripts[script] === undefined
          ? [`${page.path}: npm run ${script}`]
          : [],
      ),
    );
    assert.deepEqual(unknown, []);
  });

  it('is checked by rules that catch what is wrong', () => {
    const page = {
      path: 'docs/x.md',
      text: '`glee poool show`, `glee pool show --watchh`, [a](nowhere.md#b), `workers/nothing.ts`, `A=b npx glee list`\n',
    };
    const lines = commandLinesOf(page, 'glee');
    assert.equal(lines.length, 3);
    assert.deepEqual(
      lines.map((words) => problemOf(words, gleeProgram()) === undefined),
      [false, false, true],
    );
    assert.deepEqual(linksOf(page), ['nowhere.md#b']);
    assert.deepEqual(pathsOf(page), ['workers/nothing.ts']);
  });
});
