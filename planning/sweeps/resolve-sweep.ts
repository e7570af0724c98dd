/** @module Makes a sweep's plan, and plans its trials as they will be planned, so that what is wrong is told before any. */
import { runIdProblem, trialRunId } from '../../contracts/ids.ts';
import type { FineTunePlan } from '../../contracts/fine-tune.ts';
import type { Problem } from '../../contracts/plan.ts';
import type { SweepPlan, Trial } from '../../contracts/sweep.ts';
import { groundOf, problemsOf, type ResolveInput } from '../resolve-common.ts';
import { resolveFineTunePlan } from '../resolve-fine-tune.ts';
import { mergeSettings, settingAt, type Settings } from '../reading/nested-settings.ts';
import { canonicalJson } from '../inputs-checksum.ts';
import { loadSweepPlan } from './load-sweep.ts';
import { expandSweep, trialSettings } from './sweep-space.ts';
import { withStarts } from './sweep-starts.ts';

/** Kinds of trials that are planned beforehand, at most: each may have weights to be hashed. */
const MOST_KINDS = 100;
/** Any number does for these: trials that differ in them alone are of one kind. */
const ANY_NUMBER = ['SOLVER.BASE_LR', 'SOLVER.WEIGHT_DECAY'] as const;

export interface SweepOutlook {
  /** Undefined where a problem is an error. */
  readonly plan: SweepPlan | undefined;
  /** One of each kind of trial, in the order of their places. */
  readonly kinds: readonly TrialKind[];
  readonly problems: readonly Problem[];
}

export interface TrialKind {
  readonly first: Trial;
  readonly count: number;
  /** Of the first; undefined where it cannot be planned, or was one too many to look at. */
  readonly plan: FineTunePlan | undefined;
}

export interface ResolveSweepInput extends ResolveInput {
  /** @default 100 */
  readonly mostKinds?: number;
}

/** Resolves and checks the sweep `config` as `run`. Spends nothing and changes nothing. */
export async function resolveSweepPlan(input: ResolveSweepInput): Promise<SweepOutlook> {
  const { config, configDirectory, findArtifact, run } = input;
  const loaded = await problemsOf(loadSweepPlan(config, configDirectory));
  if (loaded.value === undefined) return { plan: undefined, kinds: [], problems: loaded.problems };
  const started = await problemsOf(withStarts(loaded.value, findArtifact));
  if (started.value === undefined) return { plan: undefined, kinds: [], problems: started.problems };
  const plan = started.value;
  const { kinds, problems } = await planKinds(plan, input);
  const all = [...nameProblems(plan, run), ...rungProblems(plan, kinds), ...problems];
  const sound = all.every(({ level }) => level !== 'error');
  return { plan: sound ? plan : undefined, kinds, problems: all };
}

/** A trial is a run of its own, and its id has room for 63 characters. */
export function nameProblems(plan: SweepPlan, sweep: string): readonly Problem[] {
  const names = [...expandSweep(plan).trials()].map(({ id }) => trialRunId(sweep, id));
  const longest = names.reduce((long, one) => (one.length > long.length ? one : long), '');
  const message = runIdProblem(longest);
  return message === undefined
    ? []
    : [{ level: 'error', file: plan.config, key: '', message: `a shorter name is needed: ${message}` }];
}

/** A rung at a trial's end or beyond it is none: whoever gets there is through, and is compared with no one. */
function rungProblems({ config, rule }: SweepPlan, kinds: readonly TrialKind[]): readonly Problem[] {
  if (rule.kind === 'none') return [];
  const highest = rule.rungs.at(-1) ?? 0;
  const short = kinds.find(({ plan }) => plan !== undefined && plan.stage.maxIterations <= highest);
  if (short?.plan === undefined) return [];
  const message = `has a rung at ${highest} iterations, but trial '${short.first.id}' ends after ${short.plan.stage.maxIterations} (SOLVER.MAX_ITER): each rung must be below the end of every trial`;
  return [{ level: 'error', file: config, key: `earlyStopping.${rule.kind}.rungs`, message }];
}

/** What the trial's fine-tune is resolved from. */
export function trialConfig(
  plan: SweepPlan,
  { id, parameters, seed }: Pick<Trial, 'id' | 'parameters' | 'seed'>,
): { readonly config: string; readonly settings: Settings } {
  return {
    config: `${plan.config}, trial ${id}`,
    settings: mergeSettings(trialSettings(plan, parameters), { overrides: { SEED: seed } }),
  };
}

async function planKinds(
  plan: SweepPlan,
  input: ResolveSweepInput,
): Promise<{ readonly kinds: readonly TrialKind[]; readonly problems: readonly Problem[] }> {
  const { run, mostKinds = MOST_KINDS } = input;
  const kinds: TrialKind[] = [];
  const told = new Map<string, Problem>();
  const ground = await groundOf(input);
  for (const trials of groupByKind(plan)) {
    const [first] = trials;
    if (first === undefined) continue;
    const count = trials.length;
    if (kinds.length >= mostKinds) {
      kinds.push({ first, count, plan: undefined });
      continue;
    }
    const asked = { ...input, ground, run: trialRunId(run, first.id), ...trialConfig(plan, first) };
    const resolved = await resolveFineTunePlan(asked);
    kinds.push({ first, count, plan: resolved.plan });
    for (const problem of resolved.problems) {
      const text = `${problem.key}: ${problem.message}`;
      // The trial's id is in the name: that of the run it would be is told by nameProblems.
      if (!told.has(text) && problem.key !== 'run') told.set(text, problem);
    }
  }
  return { kinds, problems: [...told.values()] };
}

function groupByKind(plan: SweepPlan): Iterable<readonly Trial[]> {
  const groups = new Map<string, Trial[]>();
  for (const trial of expandSweep(plan).trials()) {
    const kind = canonicalJson(withoutNumbers(trialSettings(plan, trial.parameters)));
    const group = groups.get(kind);
    if (group === undefined) groups.set(kind, [trial]);
    else group.push(trial);
  }
  return groups.values();
}

function withoutNumbers(settings: Settings): Settings {
  return ANY_NUMBER.reduce((rest, key) => {
    if (typeof settingAt(rest, `overrides.${key}`) !== 'number') return rest;
    const [section = '', name = ''] = key.split('.');
    return mergeSettings(rest, { overrides: { [section]: { [name]: 0 } } });
  }, settings);
}
