/** @module What the reports of a gang's hosts come to: pure decisions, tested without Temporal. */
import type { FailureType, NamedFailure } from '../../contracts/failures.ts';
import type { HostCheck, HostReport, CollectiveReport } from '../../contracts/health.ts';
import type { HostBlame } from '../../contracts/pool.ts';
import type { LackingHost } from '../../contracts/runs.ts';

export interface HostAnswer<T> {
  readonly host: string;
  /** Undefined where it did not answer: then there is a failure. */
  readonly report?: T;
  readonly failure?: NamedFailure;
}

export type GangVerdict =
  | { readonly kind: 'fit'; readonly said: string }
  | {
      readonly kind: 'unfit';
      readonly failure: NamedFailure;
      readonly avoid: readonly string[];
      readonly blames: readonly Omit<HostBlame, 'holder'>[];
      /** Hosts that were seen to lack what the plan needs: whose fault that is, another gang's checks tell. */
      readonly lacking: readonly LackingHost[];
      /** Nothing else is wrong with the gang. */
      readonly ofPlan: boolean;
    };

/** Checks of what this plan needs: where no host of the pool has it, a person has to change the plan or the hosts. */
const OF_THE_PLAN: Readonly<Record<string, FailureType>> = {
  data: 'MissingFile',
  checkout: 'MissingFile',
  room: 'DiskFull',
  torch: 'ImportError',
};

/** S3 that does not answer anyone is S3's fault; whatever comes next waits for it. */
const NOT_OURS = 'clock';

/** One of the gang so much slower than the others holds them all back. */
const FAR_BELOW = 0.5;

/** @param meetings Absent while the hosts have not met. */
export function judgeGang(
  looks: readonly HostAnswer<HostReport>[],
  meetings: readonly HostAnswer<CollectiveReport>[] = [],
): GangVerdict {
  const reports = looks.flatMap(({ report }) => report ?? []);
  const findings = findingsOf([...reports, ...meetings.flatMap(({ report }) => report ?? [])]);
  const everywhere = namesOnAll(findings, reports.length);
  const seen = findings.filter(({ check }) => check.hostFault !== true && check.inconclusive !== true);
  const lacking = namesOnAll(seen, reports.length);
  const stop = Object.keys(OF_THE_PLAN).find((name) => lacking.has(name));
  if (stop !== undefined) return stopped(stop, findings);
  const silent = [...looks, ...meetings].flatMap(({ failure }) => failure ?? []);
  const unfit: readonly Unfit[] = [
    ...findings
      .filter(({ check }) => check.name !== 'ports' && !isOfNobody(check, everywhere))
      .map(unfitness),
    ...silent.map((failure) => ({ failure, blame: undefined })),
    ...unreached(meetings),
    ...checkoutMismatches(reports),
    ...stragglers(reports),
  ];
  const [first, ...rest] = unfit.toSorted((a, b) => weightOf(a) - weightOf(b));
  if (first === undefined) return { kind: 'fit', said: saidOf(reports, meetings) };
  const also = rest.length === 0 ? '' : `; also: ${rest.map(({ failure }) => failure.message).join('; ')}`;
  const failure = { ...first.failure, message: `${first.failure.message}${also}` };
  const hosts = unfit.flatMap(({ failure: { host } }) => host ?? []);
  return {
    kind: 'unfit',
    failure,
    avoid: [...new Set(hosts)],
    blames: unfit.flatMap(({ blame }) => blame ?? []),
    lacking: unfit.flatMap(({ lacks }) => lacks ?? []),
    ofPlan: unfit.every(({ lacks }) => lacks !== undefined),
  };
}

interface Found {
  readonly host: string;
  readonly check: HostCheck;
}

interface Unfit {
  readonly failure: NamedFailure;
  readonly blame: Omit<HostBlame, 'holder'> | undefined;
  /** It was seen to lack something that the plan needs. */
  readonly lacks?: LackingHost;
}

function findingsOf(reports: readonly Pick<HostReport, 'host' | 'checks'>[]): readonly Found[] {
  return reports.flatMap(({ host, checks }) =>
    checks.filter(({ outcome }) => outcome === 'failed').map((check) => ({ host, check })),
  );
}

function namesOnAll(findings: readonly Found[], hosts: number): ReadonlySet<string> {
  const names = new Set(findings.map(({ check }) => check.name));
  const on = (name: string) =>
    new Set(findings.filter(({ check }) => check.name === name).map(({ host }) => host));
  return new Set([...names].filter((name) => on(name).size === hosts));
}

function isOfNobody({ name, hostFault }: HostCheck, everywhere: ReadonlySet<string>): boolean {
  return name === NOT_OURS && hostFault !== true && everywhere.has(name);
}

function stopped(name: string, findings: readonly Found[]): GangVerdict {
  const same = findings.filter(({ check }) => check.name === name);
  const texts = [...new Set(same.map(({ check }) => check.said))];
  const message = `on all hosts of the gang (${same.map(({ host }) => host).join(', ')}): ${name}: ${texts.join('; ')}`;
  const failure = { type: OF_THE_PLAN[name] ?? 'HostUnfit', message };
  const lacking = same.map(({ host, check }) => ({ host, reason: `${name}: ${check.said}` }));
  return {
    kind: 'unfit',
    failure,
    avoid: lacking.map(({ host }) => host),
    blames: [],
    lacking,
    ofPlan: true,
  };
}

function unfitness({ host, check: { name, said, hostFault, inconclusive } }: Found): Unfit {
  const reason = `${name}: ${said}`;
  const failure: NamedFailure = { type: 'HostUnfit', host, message: `host ${host} is unfit: ${reason}` };
  if (hostFault === true) return { failure, blame: { host, reason, weight: 'at once' } };
  if (!(name in OF_THE_PLAN)) return { failure, blame: { host, reason, weight: 'counts' } };
  return { failure, blame: undefined, ...(inconclusive !== true && { lacks: { host, reason } }) };
}

/** One failure for the host that most ways to and from are broken at: the others are its consequence. */
function unreached(meetings: readonly HostAnswer<CollectiveReport>[]): readonly Unfit[] {
  const broken = meetings.flatMap(({ host, report }) =>
    (report?.unreachable ?? []).map((to) => ({ host, to })),
  );
  const counts = new Map<string, number>();
  // First those that were not reached: of two hosts, the one that does not answer.
  for (const { to } of broken) counts.set(to, (counts.get(to) ?? 0) + 1);
  for (const { host } of broken) counts.set(host, (counts.get(host) ?? 0) + 1);
  const [worst] = [...counts].toSorted(([, a], [, b]) => b - a);
  if (worst === undefined) return [];
  const [host] = worst;
  const said = meetings.flatMap(({ host, report }) =>
    (report?.checks ?? [])
      .filter(({ name, outcome }) => name === 'ports' && outcome === 'failed')
      .map((check) => `${host} ${check.said}`),
  );
  const reason = `ports: ${said.join('; ')}`;
  const failure: NamedFailure = { type: 'HostUnfit', host, message: `host ${host} is unfit: ${reason}` };
  return [{ failure, blame: { host, reason, weight: 'counts' } }];
}

/** Hosts whose checkout is not what most have; of two that differ, the first counts, which writes the checkpoints. */
function checkoutMismatches(reports: readonly HostReport[]): readonly Unfit[] {
  const known = reports.flatMap(({ host, checkout }) => (checkout === undefined ? [] : [{ host, checkout }]));
  const count = (text: string) => known.filter(({ checkout }) => checkout === text).length;
  const [usual] = known.toSorted((a, b) => count(b.checkout) - count(a.checkout));
  if (usual === undefined) return [];
  return known
    .filter(({ checkout }) => checkout !== usual.checkout)
    .map(({ host, checkout }) => {
      const message = `host ${host} is unfit: checkout: its GLEE is at ${checkout}, that of ${usual.host} at ${usual.checkout}; bring them to the same commit`;
      return { failure: { type: 'HostUnfit', host, message }, blame: undefined };
    });
}

function stragglers(reports: readonly HostReport[]): readonly Unfit[] {
  const known = reports.flatMap(({ host, tflops }) => (tflops === undefined ? [] : [{ host, tflops }]));
  if (known.length < 2) return [];
  const sorted = known.map(({ tflops }) => tflops).toSorted((a, b) => a - b);
  const usual = sorted[sorted.length >> 1] ?? 0;
  return known
    .filter(({ tflops }) => tflops < FAR_BELOW * usual)
    .map(({ host, tflops }) =>
      unfitness({
        host,
        check: {
          name: 'gemm',
          outcome: 'failed',
          said: `${tflops} TFLOP/s, the gang has ${usual}`,
          hostFault: true,
        },
      }),
    );
}

/** The host's own fault says most, silence comes next: it may be what the others suffer from. */
function weightOf({ failure, blame }: Unfit): number {
  if (blame?.weight === 'at once') return 0;
  return failure.type === 'HostLost' ? 1 : 2;
}

function saidOf(reports: readonly HostReport[], meetings: readonly HostAnswer<CollectiveReport>[]): string {
  const checks = [...reports, ...meetings.flatMap(({ report }) => report ?? [])].flatMap(
    ({ checks }) => checks,
  );
  const named = (outcome: HostCheck['outcome']) => [
    ...new Set(checks.filter((check) => check.outcome === outcome).map(({ name }) => name)),
  ];
  const skipped = named('skipped').map((name) => {
    const why = checks.find((check) => check.name === name && check.outcome === 'skipped')?.said ?? '';
    return `${name} (${why})`;
  });
  const figures = [
    ...reports.flatMap(({ host, tflops }) => (tflops === undefined ? [] : [`${host} ${tflops} TFLOP/s`])),
    ...checks
      .filter(({ name, outcome }) => name === 'collective' && outcome === 'passed')
      .slice(0, 1)
      .map(({ said }) => said),
    ...checks
      .filter(({ outcome }) => outcome === 'failed')
      .slice(0, 1)
      .map(({ name, said }) => `${name} on all hosts: ${said}`),
  ];
  const hosts = reports.map(({ host }) => host).join(', ');
  const parts = [
    `${hosts} ${reports.length === 1 ? 'is' : 'are'} fit: ${named('passed').join(', ')}`,
    ...figures,
    ...(skipped.length > 0 ? [`not looked at: ${skipped.join(', ')}`] : []),
  ];
  return parts.join('; ');
}
