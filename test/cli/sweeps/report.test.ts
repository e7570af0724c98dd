import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { compareSweeps } from '../../../contracts/leaderboard.ts';
import type { SweepReport } from '../../../contracts/sweep-results.ts';
import { renderReport } from '../../../cli/sweeps/report.ts';
import { temporaryFolder } from '../../fixtures/glee-checkout.ts';
import { AP, reportOf, trialWith } from '../../fixtures/sweep-report.ts';

const HOSTILE = `</script><script>alert(1)</script><img src=x onerror="alert('2')">|*a*|\n=1+1,"&amp;`;
const BROWSER = ['chromium', 'chromium-browser', 'google-chrome']
  .map((name) => `/usr/bin/${name}`)
  .concat(process.env.GLEE_TEST_BROWSER ?? [])
  .find((path) => existsSync(path));

test('Markdown has the leaderboard, what changed, and what failed', () => {
  const markdown = renderReport(compared(), 'md');
  assert.match(
    markdown,
    /^# odinw-1\n\nsweeps\/odinw13-lr, bbox\/AP ↑\. 5 trials: 1 failed, 4 finished\. 9 GPU-hours\.\n/,
  );
  assert.ok(
    markdown.includes('| odinw/Rabbits | 48 | 0.2 | 3 | 48.2 | lr 0.1 | rabbits-lr0.1-s2 |'),
    markdown,
  );
  assert.match(markdown, /Fell by more than its noise: odinw\/Rabbits\. Student's t-test/);
  assert.match(markdown, /\| odinw\/Rabbits \| 50 \| 48 \| -2 \| 0\.1633 \| 0\.000255\d? \| worse \|/);
  assert.match(
    markdown,
    /## Failed\n\n\| trial \| why \|\n\| --- \| --- \|\n\| rabbits-lr0.5-s1 \| HostLost \|\n$/,
  );
});

test('CSV has a line for each trial, with a column for each parameter', () => {
  const csv = renderReport(
    reportOf([
      trialWith([1, 2]),
      trialWith([], { parameters: { variant: 'Plus' }, status: 'stopped', why: 'a, "b"' }),
    ]),
    'csv',
  );
  assert.deepEqual(csv.split('\r\n'), [
    'trial,group,status,seed,lr,variant,iterations,bbox/AP,gpu_hours,why',
    'rabbits-lr0.1-s1,odinw/Rabbits,finished,1,0.1,,200,2,2,',
    'rabbits-lrundefined-s1,odinw/Rabbits,stopped,1,,Plus,,,0,"a, ""b"""',
    '',
  ]);
});

test('JSON is the report itself', () => {
  assert.deepEqual(JSON.parse(renderReport(compared(), 'json')), compared());
});

test('hostile texts stay text in every form', () => {
  const report = reportOf([
    trialWith([1, 2], { id: HOSTILE, group: HOSTILE, parameters: { [HOSTILE]: HOSTILE, x: 1 } }),
    trialWith([1], { group: 'b', parameters: { x: 2 }, status: 'failed', why: HOSTILE }),
  ]);
  const html = renderReport({ ...report, sweep: HOSTILE }, 'html');
  assert.ok(!html.includes('alert(1)</script>') && !html.includes('<img'), 'it became markup');
  assertWellFormed(html);
  const lines = renderReport(report, 'md').split('\n');
  assert.ok(
    lines.every((line) => !line.includes('<img') || line.includes('\\<img')),
    'it is markup in Markdown',
  );
  assert.equal(
    new Set(lines.filter((line) => line.startsWith('| ')).map((line) => line.split(/(?<!\\)\|/).length)).size,
    2,
  );
  assert.match(renderReport(reportOf([trialWith([1], { why: '=HYPERLINK("x")' })]), 'csv'), /"'=HYPERLINK/);
});

test('the page is well-formed, asks for nothing, and holds curves and lines of all trials', () => {
  const html = renderReport(compared(), 'html');
  assertWellFormed(html);
  assert.match(html, /Content-Security-Policy"\s+content="default-src 'none'; /);
  // uPlot's own files name its home in a comment; nothing in the page may load anything.
  const own = html.replace(/\/\*![^]*?\*\//g, '');
  assert.doesNotMatch(
    own,
    /\b(?:src|href|srcset|action)\s*=\s*["'](?!#)|@import|url\(|fetch\(|XMLHttpRequest|sendBeacon|import\(/,
  );
  assert.doesNotMatch(own, /https?:\/\/(?!www\.w3\.org\/)/);
  const data: unknown = JSON.parse(/id="data">([^<]*)<\/script>/.exec(html)?.[1] ?? '');
  assert.deepEqual(data, [
    {
      group: 'odinw/Rabbits',
      labels: ['rabbits-lr0.1-s2', 'rabbits-lr0.1-s1', 'rabbits-lr0.1-s3', 'rabbits-lr0.01-s1'],
      data: [
        [100, 200, 300],
        [20, 48.2, null],
        [20, 48, null],
        [20, 47.8, null],
        [5, 6, 7],
      ],
    },
  ]);
  assert.equal(html.match(/<path d="M/g)?.length, 4);
});

test('a sweep without any value still has a page', () => {
  for (const trials of [[], [trialWith([], { status: 'waiting' })]]) {
    const html = renderReport(reportOf(trials), 'html');
    assertWellFormed(html);
    assert.match(html, /Nothing varies\./);
  }
});

test('thousands of trials make a page of a few megabytes, in seconds', () => {
  const trials = Array.from({ length: 2000 }, (_, index) =>
    trialWith([1, 2, index], {
      group: `g${index % 13}`,
      parameters: { lr: index },
      id: `t${index}`,
    }),
  );
  assert.ok(renderReport(reportOf(trials), 'html').length < 4_000_000);
});

test(
  'a browser draws the curves',
  { skip: BROWSER === undefined && 'no browser on this machine' },
  async (t) => {
    const folder = await temporaryFolder(t);
    const file = join(folder, 'report.html');
    await writeFile(file, renderReport(compared(), 'html'));
    const flags = [
      `--user-data-dir=${join(folder, 'profile')}`,
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--virtual-time-budget=5000',
      '--dump-dom',
    ];
    const { stdout } = await promisify(execFile)(BROWSER ?? '', [...flags, `file://${file}`], {
      maxBuffer: 1e8,
    });
    assert.match(stdout, /<div class="u-title">odinw\/Rabbits<\/div>/);
    assert.match(stdout, /<canvas/);
  },
);

function compared(): SweepReport {
  const set = (mean: number) =>
    [0, 0.2, -0.2].map((off, seed) => trialWith([20, mean + off], { seed: seed + 1 }));
  const others = [
    trialWith([5, 6, 7], { parameters: { lr: 0.01 } }),
    trialWith([], { parameters: { lr: 0.5 }, status: 'failed', why: 'HostLost' }),
  ];
  const report = reportOf([...set(48), ...others]);
  const before = { ...reportOf(set(50)), sweep: 'odinw-0' };
  return { ...report, comparison: compareSweeps(before, report, AP) };
}

/** Every element is closed by its own end, and every & and < of a text is written as an entity. */
function assertWellFormed(html: string): void {
  const VOID = new Set(['meta', 'line', 'img', 'br']);
  const markup = html.replace(/<(script|style)\b([^>]*)>[^]*?<\/\1>/g, '<$1$2></$1>');
  const open: string[] = [];
  const rest = markup.replace(
    /<(\/?)([a-z][a-z0-9]*)((?:\s+[a-zA-Z-][\w:-]*(?:="[^"<]*")?)*)\s*\/?>/g,
    (_, slash: string, name: string) => {
      if (slash === '/') assert.equal(open.pop(), name);
      else if (!VOID.has(name)) open.push(name);
      return '';
    },
  );
  assert.deepEqual(open, []);
  assert.doesNotMatch(rest.replace('<!doctype html>', ''), /[<>]|&(?!(?:amp|lt|gt|quot|#39);)/);
}
