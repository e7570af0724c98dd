/**
 * @module `glee list`: all runs that Temporal remembers.
 */
import Table from 'cli-table3';
import { withClient } from '../shared/client.ts';
import { print, type OutputOptions } from '../shared/output.ts';
import { duration } from '../shared/durations.ts';
import { colorStatus } from './render.ts';

interface Row {
  readonly run: string;
  readonly status: string;
  readonly startedAt: string;
  readonly endedAt: string | null;
  readonly seconds: number;
}

export interface ListOptions extends OutputOptions {
  readonly limit: number;
}

export async function list(options: ListOptions): Promise<void> {
  const rows = await withClient(async (client) => {
    const found: Row[] = [];
    for await (const { workflowId, status, startTime, closeTime } of client.workflow.list({
      query: "WorkflowType = 'jointTraining' OR WorkflowType = 'fineTune'",
    })) {
      const seconds = ((closeTime ?? new Date()).getTime() - startTime.getTime()) / 1000;
      const endedAt = closeTime?.toISOString() ?? null;
      found.push({
        run: workflowId,
        status: status.name,
        startedAt: startTime.toISOString(),
        endedAt,
        seconds,
      });
      if (found.length >= options.limit) break;
    }
    return found;
  });
  print(rows, options, renderRows);
}

function renderRows(rows: readonly Row[]): string {
  if (rows.length === 0) return "no runs yet: 'glee start joint/sandbox' begins one";
  const table = new Table({ head: ['run', 'status', 'started', 'took'], style: { head: [], border: [] } });
  for (const { run, status, startedAt, seconds } of rows) {
    table.push([run, colorStatus(status), startedAt.slice(0, 19).replace('T', ' '), duration(seconds)]);
  }
  return table.toString();
}
