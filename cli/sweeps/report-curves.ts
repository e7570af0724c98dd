/** @module The metric against iterations, one plot a group. */
import type { SweepReport } from '../../contracts/sweep-results.ts';

/** More lines than that in one plot tell nothing, and make the page slow: the best are shown. */
const MOST_CURVES = 60;

interface GroupCurves {
  readonly group: string;
  readonly labels: readonly string[];
  /** As uPlot takes it: iterations, then each trial's values there, null where it has none. */
  readonly data: readonly (readonly (number | null)[])[];
}

export function curvesOf({ trials, metric }: SweepReport): readonly GroupCurves[] {
  const sign = metric.goal === 'max' ? -1 : 1;
  const groups = [...new Set(trials.map(({ group }) => group))];
  return groups.flatMap((group): readonly GroupCurves[] => {
    const shown = trials
      .filter((trial) => trial.group === group && trial.state.reports.length > 0)
      .sort((a, b) => sign * ((a.state.reports.at(-1)?.value ?? 0) - (b.state.reports.at(-1)?.value ?? 0)))
      .slice(0, MOST_CURVES);
    if (shown.length === 0) return [];
    const all = shown.flatMap(({ state }) => state.reports.map(({ iterations }) => iterations));
    const iterations = [...new Set(all)].sort((a, b) => a - b);
    const values = shown.map(({ state }) => {
      const byIterations = new Map(state.reports.map((report) => [report.iterations, report.value]));
      return iterations.map((at) => byIterations.get(at) ?? null);
    });
    return [{ group, labels: shown.map(({ id }) => id), data: [iterations, ...values] }];
  });
}

/** Runs in the page. Titles and labels are set as text by uPlot, never as markup. */
export const CURVES_SCRIPT = `
const groups = JSON.parse(document.getElementById('data').textContent);
const place = document.getElementById('curves');
for (const { group, labels, data } of groups) {
  const color = (index) => 'hsl(' + Math.round((index * 360) / labels.length) + ' 65% 42%)';
  const series = labels.map((label, index) => ({ label, stroke: color(index), width: 1.5, spanGaps: true, points: { show: true, size: 4 } }));
  const cell = place.appendChild(document.createElement('div'));
  new uPlot({
    title: group, width: Math.max(320, cell.clientWidth), height: 260,
    scales: { x: { time: false } }, axes: [{}, { size: 60 }],
    legend: { show: labels.length <= 8 }, cursor: { focus: { prox: 16 } }, focus: { alpha: 0.25 },
    series: [{ label: 'iterations' }, ...series],
  }, data, cell);
}
`;
