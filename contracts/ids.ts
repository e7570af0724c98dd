/**
 * @module Names that both sides of Temporal derive: task queues, workflow ids, S3 keys.
 *
 * A drift here strands running trainings: an old worker would wait on a queue or write under a key that no one reads.
 */

/** Task queue of the control workers: all workflows, and the activities that need no GPU host. */
export const CONTROL_TASK_QUEUE = 'glee';

/**
 * What a run may be called: it becomes a workflow id, an S3 prefix and a folder name.
 * `/` is left out because child workflows and keys use it as the separator.
 */
export const RUN_ID_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

/** Why `run` cannot name a run, or undefined when it can. */
export function runIdProblem(run: string): string | undefined {
  if (RUN_ID_PATTERN.test(run) && !run.includes('..')) return undefined;
  return `run id '${run}' must be 1 to 63 letters, digits, '.', '_' or '-', begin with a letter or digit and hold no '..': it becomes a workflow id, an S3 prefix and a folder`;
}

/** A config's folder says what it is for. */
export function kindOfConfig(config: string): 'sweep' | 'fine-tune' | 'joint training' {
  if (config.startsWith('sweeps/')) return 'sweep';
  return config.startsWith('finetune/') ? 'fine-tune' : 'joint training';
}

/** Each GPU host has a queue of its own: work for it must not land elsewhere. */
export function hostTaskQueue(host: string): string {
  return `glee-host/${host}`;
}

export function poolWorkflowId(pool: string): string {
  return `pool/${pool}`;
}

export function stageWorkflowId(run: string, stage: string): string {
  return `${run}/${stage}`;
}

/** Prepares all that a run needs. A stage's name has no such word. */
export function weightsWorkflowId(run: string): string {
  return `${run}/weights`;
}

/** One workflow for each checkpoint of a fine-tune that is evaluated. */
export function evaluationWorkflowId(run: string, iterations: number): string {
  return `${run}/evaluate-${iterations}`;
}

/** A trial is a run of its own. */
export function trialRunId(sweep: string, trial: string): string {
  return `${sweep}.${trial}`;
}

/** What a schedule's execution starts, by the time that it stands for: Temporal's own form has ':' in it. */
export function scheduledRunId(schedule: string, at: Date): string {
  const [date = '', time = ''] = at.toISOString().slice(2, 19).replaceAll(/[-:]/g, '').split('T');
  return `${schedule}-${date}-${time}`;
}

/** Why a schedule cannot be called so, or undefined. Its runs have a time behind its name. */
export function scheduleNameProblem(schedule: string): string | undefined {
  const run = scheduledRunId(schedule, new Date(0));
  if (RUN_ID_PATTERN.test(run) && !run.includes('..')) return undefined;
  return `a schedule's name must be 1 to ${63 - (run.length - schedule.length)} letters, digits, '.', '_' or '-', begin with a letter or digit and hold no '..': its runs are called '${run}'`;
}

/** Plans what a schedule is about to be made for. A schedule's own executions have no '/' in their ids. */
export function scheduleCheckId(schedule: string, config: string): string {
  return `schedule/${schedule}/check/${config}`;
}

/** One workflow for each artifact of the bucket, whichever runs want it. */
export function artifactWorkflowId(name: string): string {
  return `artifact/${name}`;
}

/** S3 keys below the bucket's prefix. Each attempt writes under its own token, so two attempts never mix. */
export const keys = {
  plan: (run: string) => `runs/${run}/plan.json`,
  head: (run: string, stage: string) => `runs/${run}/${stage}/head.json`,
  result: (run: string, stage: string) => `runs/${run}/${stage}/result.json`,
  /** What people have changed of the stage since it was planned. */
  changes: (run: string, stage: string) => `runs/${run}/${stage}/changes.json`,
  hostCache: (host: string) => `hosts/${host}/weights.json`,
  stage: (run: string, stage: string) => `runs/${run}/${stage}/`,
  attempts: (run: string, stage: string) => `runs/${run}/${stage}/attempts/`,
  attempt: (run: string, stage: string, token: number) => `runs/${run}/${stage}/attempts/${token}`,
  sweepPlan: (sweep: string) => `sweeps/${sweep}/plan.json`,
  /** How all its trials stand, as it ended. */
  sweepState: (sweep: string) => `sweeps/${sweep}/state.json`,
  /** What it has become better and worse in, against the one before of its schedule. */
  sweepComparison: (sweep: string) => `sweeps/${sweep}/comparison.json`,
  /** What a schedule has trained so far. */
  schedule: (schedule: string) => `schedules/${schedule}.json`,
  /** Of one checkpoint and all that decides its figures, both in the name. */
  evaluation: (run: string, stage: string, name: string) => `runs/${run}/${stage}/evaluations/${name}.json`,
  /** A file that the evaluation has written, by its path in OUTPUT_DIR. */
  evaluationFile: (run: string, stage: string, name: string, path: string) =>
    `runs/${run}/${stage}/evaluations/${name}/${path}`,
  /** Marks of those who want a checkpoint kept, one object each. */
  pins: (run: string, stage: string) => `runs/${run}/${stage}/pins/`,
} as const;
