/** @module A sweep's report as Markdown, CSV, JSON or one HTML page that needs nothing else. */
import type { SweepReport } from '../../contracts/sweep-results.ts';
import { csvReport } from './csv-report.ts';
import { htmlReport } from './html-report.ts';
import { markdownReport } from './markdown-report.ts';

export const REPORT_FORMATS = ['md', 'csv', 'json', 'html'] as const;
export type ReportFormat = (typeof REPORT_FORMATS)[number];

const RENDERERS: Readonly<Record<ReportFormat, (report: SweepReport) => string>> = {
  md: markdownReport,
  csv: csvReport,
  json: (report) => `${JSON.stringify(report, undefined, 2)}\n`,
  html: htmlReport,
};

export function renderReport(report: SweepReport, format: ReportFormat): string {
  return RENDERERS[format](report);
}
