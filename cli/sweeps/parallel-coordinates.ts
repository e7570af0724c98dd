/** @module Parallel coordinates of a sweep as SVG: an axis for each parameter that varies, a line for each trial. */
import type { ConfigValue } from '../../contracts/plan.ts';
import type { ReportedTrial, SweepReport } from '../../contracts/sweep-results.ts';
import { markup, text, type Html } from './html.ts';
import { figure, valueText } from './report-figures.ts';

const HEIGHT = 320;
const MARGIN = 40;
const AXIS_GAP = 190;
/** A parameter's range over more than so many times is drawn by order of magnitude; a metric's never is. */
const LOG_FROM = 20;
const MOST_TICKS = 14;
/** Labels that are closer would touch. */
const LABEL_HEIGHT = 14;

interface Axis {
  readonly title: string;
  readonly ticks: readonly { readonly y: number; readonly label: string }[];
  y(trial: ReportedTrial): number | undefined;
}

export function parallelCoordinates({ trials, metric }: SweepReport): Html {
  const measured = trials.filter(({ state }) => state.reports.length > 0);
  const keys = [...new Set(measured.flatMap(({ parameters }) => Object.keys(parameters)))].filter(
    (key) => new Set(measured.map(({ parameters }) => valueText(parameters[key]))).size > 1,
  );
  if (measured.length === 0 || keys.length === 0) return markup`<p class="note">Nothing varies.</p>`;
  const axes = [
    ...keys.map((key) =>
      axisOf(key.replace(/^overrides\./, ''), measured, ({ parameters }) => parameters[key], LOG_FROM),
    ),
    axisOf(metric.name, measured, ({ state }) => state.reports.at(-1)?.value, Infinity),
  ];
  const width = String(2 * MARGIN + AXIS_GAP * axes.length);
  const ranks = ranksOf(measured, metric.goal === 'max' ? 1 : -1);
  return markup`<svg viewBox="0 0 ${text(width)} ${text(String(HEIGHT))}" width="100%" role="img">
    ${measured.map((trial) => line(trial, axes, ranks.get(trial.id) ?? 0))} ${axes.map(axisMarkup)}
  </svg>`;
}

function axisOf(
  title: string,
  trials: readonly ReportedTrial[],
  valueOf: (trial: ReportedTrial) => ConfigValue | undefined,
  logFrom: number,
): Axis {
  const values = trials.flatMap((trial) => valueOf(trial) ?? []);
  const numbers = values.filter((value) => typeof value === 'number');
  const isNumeric = numbers.length === values.length && new Set(numbers).size > 1;
  return isNumeric ? numericAxis(title, numbers, valueOf, logFrom) : wordAxis(title, trials, valueOf);
}

function numericAxis(
  title: string,
  numbers: readonly number[],
  valueOf: (trial: ReportedTrial) => ConfigValue | undefined,
  logFrom: number,
): Axis {
  const [low, high] = [Math.min(...numbers), Math.max(...numbers)];
  const isLog = low > 0 && high / low > logFrom;
  const scale = (value: number) =>
    isLog ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
  const at = (share: number) => (isLog ? low * (high / low) ** share : low + share * (high - low));
  const tick = (value: number) => ({ y: yOf(scale(value)), label: figure(value) });
  const own = [...new Set(numbers)].sort((a, b) => a - b).map(tick);
  const isApart = own.every(({ y }, index) => index === 0 || (own[index - 1]?.y ?? 0) - y >= LABEL_HEIGHT);
  return {
    title,
    // The values that were tried where they have room, as those of a grid.
    ticks: isApart ? own : [0, 0.25, 0.5, 0.75, 1].map((share) => tick(at(share))),
    y: (trial) => {
      const value = valueOf(trial);
      return typeof value === 'number' ? yOf(scale(value)) : undefined;
    },
  };
}

function wordAxis(
  title: string,
  trials: readonly ReportedTrial[],
  valueOf: (trial: ReportedTrial) => ConfigValue | undefined,
): Axis {
  const words = [...new Set(trials.map((trial) => valueText(valueOf(trial))))].sort();
  const share = (index: number) => (words.length === 1 ? 0.5 : 1 - index / (words.length - 1));
  const every = Math.ceil(words.length / MOST_TICKS);
  return {
    title,
    ticks: words.flatMap((label, index) =>
      index % every === 0 ? [{ y: yOf(share(index)), label: label || '(base)' }] : [],
    ),
    y: (trial) => yOf(share(words.indexOf(valueText(valueOf(trial))))),
  };
}

function yOf(share: number): number {
  return Math.round(HEIGHT - MARGIN - share * (HEIGHT - 2 * MARGIN));
}

function line(trial: ReportedTrial, axes: readonly Axis[], rank: number): Html {
  const points = axes.flatMap((axis, index) => {
    const y = axis.y(trial);
    return y === undefined ? [] : [`${MARGIN + AXIS_GAP * index},${y}`];
  });
  const opacity = (0.15 + 0.75 * rank).toFixed(2);
  return markup`<path d="${text(`M${points.join('L')}`)}" stroke="#2255aa" stroke-opacity="${text(opacity)}"
    ><title>${text(`${trial.id}: ${figure(trial.state.reports.at(-1)?.value)}`)}</title></path
  > `;
}

function axisMarkup({ title, ticks }: Axis, index: number): Html {
  const x = MARGIN + AXIS_GAP * index;
  const [at, beside] = [text(String(x)), text(String(x + 6))];
  return markup`<line
      class="axis"
      x1="${at}"
      x2="${at}"
      y1="${text(String(yOf(1)))}"
      y2="${text(String(yOf(0)))}"
    />
    <text x="${at}" y="${text(String(MARGIN / 2))}" font-weight="600">${text(title)}</text>
    ${ticks.map(({ y, label }) => markup`<text x="${beside}" y="${text(String(y + 4))}">${text(label)}</text>`)}`;
}

/** From 0 for the worst of its group to 1 for the best. */
function ranksOf(trials: readonly ReportedTrial[], sign: number): ReadonlyMap<string, number> {
  const valueOf = ({ state }: ReportedTrial) => sign * (state.reports.at(-1)?.value ?? 0);
  const groups = [...new Set(trials.map(({ group }) => group))];
  return new Map(
    groups.flatMap((group) => {
      const sorted = trials.filter((trial) => trial.group === group).sort((a, b) => valueOf(a) - valueOf(b));
      return sorted.map(({ id }, index): [string, number] => [
        id,
        sorted.length === 1 ? 1 : index / (sorted.length - 1),
      ]);
    }),
  );
}
