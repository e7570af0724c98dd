/** @module All trials of a sweep as CSV (RFC 4180), one line each, for spreadsheets and pandas. */
import type { SweepReport } from '../../contracts/sweep-results.ts';
import { valueText } from './report-figures.ts';

export function csvReport({ trials, metric }: SweepReport): string {
  const keys = [...new Set(trials.flatMap(({ parameters }) => Object.keys(parameters)))];
  const head = ['trial', 'group', 'status', 'seed', ...keys, 'iterations', metric.name, 'gpu_hours', 'why'];
  const rows = trials.map(({ id, group, seed, parameters, state }) => {
    const last = state.reports.at(-1);
    const values = keys.map((key) => valueText(parameters[key]));
    const figures = [last?.iterations, last?.value, state.gpuHours].map((value) =>
      value === undefined ? '' : String(value),
    );
    return [id, group, state.status, String(seed), ...values, ...figures, state.why ?? ''];
  });
  return [head, ...rows].map((row) => `${row.map(cell).join(',')}\r\n`).join('');
}

function cell(text: string): string {
  // A spreadsheet would run it as a formula; numbers begin so as well, and are none.
  const safe = /^[=+\-@\t\r]/.test(text) && Number.isNaN(Number(text)) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
