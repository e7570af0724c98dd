/** @module A sweep's report in Markdown. */
import type { SweepReport } from '../../contracts/sweep-results.ts';
import {
  COMPARISON_HEAD,
  comparisonCells,
  comparisonText,
  LEADERBOARD_HEAD,
  leaderboardCells,
  METRIC_ARROWS,
  summaryText,
} from './report-figures.ts';

export function markdownReport(report: SweepReport): string {
  const { sweep, config, metric, leaderboard, comparison, trials } = report;
  const troubles = trials.filter(({ state }) => state.status === 'failed');
  const sections = [
    `# ${escaped(sweep)}`,
    `${escaped(config)}, ${escaped(metric.name)} ${METRIC_ARROWS[metric.goal]}. ${summaryText(report)}`,
    table(LEADERBOARD_HEAD, leaderboard.map(leaderboardCells)),
    ...(comparison === undefined
      ? []
      : [
          '## Compared',
          escaped(comparisonText(comparison)),
          table(COMPARISON_HEAD, comparison.rows.map(comparisonCells)),
        ]),
    ...(troubles.length === 0
      ? []
      : [
          '## Failed',
          table(
            ['trial', 'why'],
            troubles.map(({ id, state }) => [id, state.why ?? '']),
          ),
        ]),
  ];
  return `${sections.join('\n\n')}\n`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map(escaped).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** Text stays text, and a cell stays one, whatever a failure's message holds. */
function escaped(text: string): string {
  return text
    .replace(/\s+/g, ' ')
    .replace(/[\\`*[\]<>|]/g, '\\$&')
    .replace(/&(?=\w)/g, '&amp;');
}
