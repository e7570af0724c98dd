/**
 * @module The demo's last word: two runs side by side, and whether they ended with the same bytes.
 */
import Table from 'cli-table3';
import pc from 'picocolors';
import type { JointTrainingResult } from '../contracts/runs.ts';
import type { Recovery, Strike } from './chaos.ts';

export interface RunReport {
  readonly run: string;
  readonly seconds: number;
  readonly plannedIterations: number;
  readonly result: JointTrainingResult;
  readonly recoveries: readonly Recovery[];
  readonly missed: readonly Strike[];
  readonly bytesInS3: number;
}

export function renderReport(
  undisturbed: RunReport,
  disturbed: RunReport,
): { readonly text: string; readonly equal: boolean } {
  const table = new Table({ head: ['', undisturbed.run, disturbed.run], style: { head: [], border: [] } });
  const row = (title: string, cell: (report: RunReport) => string) =>
    table.push([title, cell(undisturbed), cell(disturbed)]);
  row('time', ({ seconds }) => `${seconds.toFixed(0)} s`);
  row('iterations run', (report) => String(iterationsRun(report)));
  row('of them repeated', (report) => String(Math.max(0, iterationsRun(report) - report.plannedIterations)));
  row('attempts', ({ result }) => result.stages.map(({ attempts }) => attempts).join(' + '));
  row('recoveries', ({ recoveries }) => recoveries.map(describeRecovery).join('\n') || 'none');
  row('bytes in S3', ({ bytesInS3 }) => bytesInS3.toLocaleString('en-US'));
  row('final weights', ({ result }) => result.stages.at(-1)?.artifact.sha256.slice(0, 32) ?? 'none');
  const pairs = undisturbed.result.stages.map(
    (stage, index) => [stage, disturbed.result.stages[index]] as const,
  );
  const equal = pairs.every(([a, b]) => a.artifact.sha256 === b?.artifact.sha256);
  const missed = disturbed.missed.map(({ victim, stage }) =>
    pc.yellow(`the kill of the ${victim} in ${stage} never came: the stage was over first`),
  );
  const verdict = equal
    ? pc.green('Equal: all three stages ended with the same bytes as if nothing had happened.')
    : pc.red('NOT equal: the disturbed run ended with other weights.');
  return { text: [table.toString(), ...missed, verdict].join('\n'), equal };
}

function describeRecovery({ victim, stage, seconds, sameTrainer }: Recovery): string {
  return `${victim} in ${stage}: ${seconds.toFixed(1)} s${sameTrainer ? ', same trainer' : ''}`;
}

function iterationsRun({ result }: RunReport): number {
  return result.stages.reduce((sum, stage) => sum + stage.iterationsRun, 0);
}
