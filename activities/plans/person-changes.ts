/**
 * @module What people changed of a run's stages while they trained. It is part of the run's record: a start continues
 * with it, whether the config says by now what they changed or still what was planned.
 */
import type { RunChanges } from '../../contracts/activities.ts';
import { keys } from '../../contracts/ids.ts';
import type { ConfigValue, Overrides, Plan, StagePlan } from '../../contracts/plan.ts';
import type { StageChanges } from '../../contracts/runs.ts';
import type { ObjectStore } from '../storage/ports/object-store.ts';
import { changesSchema, readObject } from '../storage/schemas.ts';

/** Undefined where nothing was changed. */
export async function readChanges(
  store: ObjectStore,
  { run, stages }: Plan,
): Promise<RunChanges | undefined> {
  const found: [StagePlan['stage'], StageChanges][] = [];
  for (const { stage } of stages) {
    const changes = (await readObject(store, keys.changes(run, stage), changesSchema))?.value;
    if (changes !== undefined) found.push([stage, changes]);
  }
  return found.length === 0 ? undefined : Object.fromEntries(found);
}

/** The plan as it was before the config said what people had changed: what else differs stays. */
export function asPlanned(frozen: Plan, plan: Plan, changes: RunChanges): Plan {
  const stages = plan.stages.map((stage) => {
    const before = frozen.stages.find((one) => one.stage === stage.stage);
    const changed = changes[stage.stage];
    return before === undefined || changed === undefined ? stage : stageAsPlanned(before, stage, changed);
  });
  return { ...plan, stages };
}

/** For people: `stage1 ends after 200 iterations, with SOLVER.BASE_LR 0.0001`. */
export function describeChanges(changes: RunChanges): string {
  const texts = Object.entries(changes).flatMap(([stage, { maxIterations, learningRate }]) => {
    const parts = [
      ...(maxIterations === undefined ? [] : [`ends after ${maxIterations} iterations`]),
      ...(learningRate === undefined ? [] : [`has SOLVER.BASE_LR ${learningRate}`]),
    ];
    return parts.length === 0 ? [] : [`${stage} ${parts.join(' and ')}`];
  });
  return texts.join(', ');
}

function stageAsPlanned(before: StagePlan, after: StagePlan, changes: StageChanges): StagePlan {
  const [old, now] = [solverOf(before), solverOf(after)];
  const adopted = [
    ...(now.MAX_ITER !== old.MAX_ITER && now.MAX_ITER === changes.maxIterations ? ['MAX_ITER'] : []),
    ...(now.BASE_LR !== old.BASE_LR && now.BASE_LR === changes.learningRate ? ['BASE_LR'] : []),
  ];
  if (adopted.length === 0) return after;
  const kept = Object.entries(now).filter(([key]) => !adopted.includes(key));
  const planned = Object.entries(old).filter(([key]) => adopted.includes(key));
  return {
    ...after,
    maxIterations: before.maxIterations,
    // The checksum is over all settings: a GLEE YAML that was edited besides is not noticed here.
    settingsSha256: before.settingsSha256,
    overrides: { ...after.overrides, SOLVER: Object.fromEntries([...kept, ...planned]) },
  };
}

function solverOf({ overrides: { SOLVER: solver } }: StagePlan): Overrides {
  return isOverrides(solver) ? solver : {};
}

function isOverrides(value: ConfigValue | undefined): value is Overrides {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
