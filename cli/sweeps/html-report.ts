/** @module A sweep's report as one HTML page: no request leaves it, and it opens from a disk as well. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { SweepReport } from '../../contracts/sweep-results.ts';
import { markup, scriptJson, text, type Html } from './html.ts';
import { parallelCoordinates } from './parallel-coordinates.ts';
import { CURVES_SCRIPT, curvesOf } from './report-curves.ts';
import {
  COMPARISON_HEAD,
  comparisonCells,
  comparisonText,
  figure,
  LEADERBOARD_HEAD,
  leaderboardCells,
  METRIC_ARROWS,
  parametersText,
  summaryText,
} from './report-figures.ts';

/** Seen: a headless browser under LANG=C says `en-US@posix`, and uPlot throws before it has drawn anything. */
const LANGUAGE_SCRIPT = `
try { new Intl.NumberFormat(navigator.language) }
catch { Object.defineProperty(navigator, 'language', { value: 'en' }) }
`;

const STYLE = `
body { font: 14px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; color: #1c2430; }
h1 { margin-bottom: 0 } h2 { margin-top: 2.5rem }
table { border-collapse: collapse; width: 100%; display: block; overflow-x: auto }
th, td { text-align: left; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid #dde3ea; white-space: nowrap }
td.worse { color: #b3261e; font-weight: 600 } td.better { color: #1b7f3b; font-weight: 600 }
.note { color: #5a6675 } .curves { display: grid; grid-template-columns: repeat(auto-fill, minmax(22rem, 1fr)); gap: 1rem }
svg text { font: 11px system-ui, sans-serif; fill: #1c2430; paint-order: stroke; stroke: #fff; stroke-width: 3px }
svg .axis { stroke: #8894a3 } svg path { fill: none }
svg path:hover { stroke-width: 3; stroke-opacity: 1 }
`;

export function htmlReport(report: SweepReport): string {
  const { sweep, config, metric, comparison } = report;
  const page = markup`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta
          http-equiv="Content-Security-Policy"
          content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
        />
        <title>${text(sweep)}</title>
        <style>
          ${library('uPlot.min.css')}${trusted(STYLE)}
        </style>
      </head>
      <body>
        <h1>${text(sweep)}</h1>
        <p class="note">
          ${text(`${config}, ${metric.name} ${METRIC_ARROWS[metric.goal]}. ${summaryText(report)}`)}
        </p>
        <h2>Best of each group</h2>
        ${table(LEADERBOARD_HEAD, report.leaderboard.map(leaderboardCells))}
        ${
          comparison === undefined
            ? []
            : [
                markup`<h2>Compared</h2>
                  <p>${text(comparisonText(comparison))}</p>
                  ${table(COMPARISON_HEAD, comparison.rows.map(comparisonCells))}`,
              ]
        }
        <h2>${text(metric.name)} against iterations</h2>
        <div class="curves" id="curves"></div>
        <h2>Parameters</h2>
        <p class="note">A line is a trial; the darker, the better within its group.</p>
        ${parallelCoordinates(report)}
        <h2>Trials</h2>
        ${trialsTable(report)}
        <script>
          ${trusted(LANGUAGE_SCRIPT)} ${library('uPlot.iife.min.js')};
        </script>
        <script type="application/json" id="data">
          ${scriptJson(curvesOf(report))}
        </script>
        <script>
          ${trusted(CURVES_SCRIPT)};
        </script>
      </body>
    </html> `;
  return page.html;
}

function trialsTable({ trials, metric }: SweepReport): Html {
  const rows = trials.map(({ id, group, parameters, seed, state }) => {
    const last = state.reports.at(-1);
    const iterations = last === undefined ? '' : String(last.iterations);
    const cells = [id, state.status, parametersText(parameters, group), String(seed), iterations];
    return [...cells, figure(last?.value), figure(state.gpuHours), state.why ?? ''];
  });
  return table(
    ['trial', 'status', 'parameters', 'seed', 'iterations', metric.name, 'GPU-hours', 'why'],
    rows,
  );
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): Html {
  const cells = (row: readonly string[]) =>
    row.map((cell) =>
      cell === 'worse' || cell === 'better'
        ? markup`<td class="${text(cell)}">${text(cell)}</td>`
        : markup`<td>${text(cell)}</td>`,
    );
  return markup`<table>
    <thead>
      <tr>
        ${head.map((cell) => markup`<th>${text(cell)}</th>`)}
      </tr>
    </thead>
    <tbody>
      ${rows.map(
        (row) =>
          markup`<tr>
            ${cells(row)}
          </tr> `,
      )}
    </tbody>
  </table>`;
}

/** A file of uPlot's, which stands in the page as it is. */
function library(file: string): Html {
  const require = createRequire(import.meta.url);
  return trusted(readFileSync(join(dirname(require.resolve('uplot')), file), 'utf8'));
}

function trusted(source: string): Html {
  return { html: source };
}
