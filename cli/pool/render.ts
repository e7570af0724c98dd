/** @module A pool as tables. */
import Table from 'cli-table3';
import pc from 'picocolors';
import type { HostView, LeaseView, PoolView, WaitingView } from '../../contracts/pool-view.ts';
import { duration } from '../shared/durations.ts';

export function renderPool(name: string, { hosts, queue, problem }: PoolView, nowMs: number): string {
  const gpus = hosts.reduce((sum, host) => sum + host.gpus, 0);
  const free = hosts.filter(({ usable }) => usable).reduce((sum, host) => sum + host.freeGpus, 0);
  const header = `pool ${pc.bold(name)}: ${hosts.length} hosts, ${free} of ${gpus} GPUs free, ${queue.length} waiting`;
  return [
    header,
    ...(problem === undefined
      ? []
      : [pc.red(`its file is invalid, and the settings before it stay in force: ${problem}`)]),
    hosts.length === 0 ? "no hosts yet: start 'glee-worker gpu' on each" : hostTable(hosts, nowMs),
    ...(queue.length === 0 ? [] : [queueTable(queue)]),
  ].join('\n');
}

/** Letters of why a host is set aside. */
const LONGEST_REASON = 400;

/** `free to be used`, or why not, with who said so. */
export function conditionText({
  present,
  quarantined,
  cordoned,
  draining,
  leaving,
  strikes = [],
}: HostView): string {
  const said = [
    ...(present ? [] : ['not there']),
    ...(quarantined ? [`quarantined: ${shortened(quarantined.reason)}`] : []),
    ...(cordoned ? [`cordoned by ${cordoned.by}: ${cordoned.why}`] : []),
    ...(draining ? [`drained by ${draining.by}: ${draining.why}`] : []),
    ...(leaving === undefined ? [] : [`leaving: ${leaving}`]),
    ...(quarantined || strikes.length === 0 ? [] : [`strikes: ${strikes.length}`]),
  ];
  return said.length === 0 ? 'ready' : said.join('; ');
}

/** Each failure may name many files; a table of hosts has room for a few lines of each. */
function shortened(reason: string): string {
  return reason.length <= LONGEST_REASON ? reason : `${reason.slice(0, LONGEST_REASON)}… (whole with --json)`;
}

function hostTable(hosts: readonly HostView[], nowMs: number): string {
  const table = new Table({
    head: ['host', 'GPUs free', 'condition', 'leases'],
    style: { head: [], border: [] },
    colWidths: [null, null, 44, null],
    wordWrap: true,
  });
  for (const host of hosts) {
    const condition = conditionText(host);
    table.push([
      host.name,
      `${host.freeGpus} of ${host.gpus}${host.pretend === true ? ' (pretended)' : ''}`,
      host.usable ? condition : pc.yellow(condition),
      host.leases.map((lease) => leaseText(lease, host, nowMs)).join('\n'),
    ]);
  }
  return table.toString();
}

function leaseText(
  { holder, gpuIndices, since, priority, askedToYield, adopted }: LeaseView,
  { gpus }: HostView,
  nowMs: number,
): string {
  const which = gpuIndices.length === gpus ? 'all' : `GPU ${gpuIndices.join(',')}`;
  const asked = askedToYield === undefined ? '' : pc.yellow(`  asked to yield: ${askedToYield.why}`);
  const urgent = priority === 0 ? '' : `  priority ${priority}`;
  const older = adopted === true ? '  older than the pool' : '';
  return `${holder}  ${which}  since ${duration((nowMs - since) / 1000)}${urgent}${older}${asked}`;
}

function queueTable(queue: readonly WaitingView[]): string {
  const table = new Table({
    head: ['', 'waiting', 'wants', 'priority', 'waited', 'for'],
    style: { head: [], border: [] },
    colWidths: [null, null, null, null, null, 60],
    wordWrap: true,
  });
  for (const {
    position,
    holder,
    hosts,
    gpusPerHost,
    priority = 0,
    effectivePriority,
    waitedMs,
    waitsFor,
  } of queue) {
    const aged = effectivePriority === priority ? '' : ` (now ${effectivePriority})`;
    const wants = `${hosts} × ${gpusPerHost} GPUs`;
    table.push([position, holder, wants, `${priority}${aged}`, duration(waitedMs / 1000), waitsFor]);
  }
  return table.toString();
}
