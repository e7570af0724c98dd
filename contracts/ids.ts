/**
 * @module Names that both sides of Temporal derive: task queues, workflow ids, S3 keys.
 *
 * A drift here strands running trainings: an old worker would wait on a queue or write under a key that nobody reads.
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

/** One workflow for each artifact of the bucket, whichever runs want it. */
export function artifactWorkflowId(name: string): string {
  return `artifact/${name}`;
}

/** S3 keys below the bucket's prefix. Each attempt writes under its own token, so two attempts never mix. */
export const keys = {
  plan: (run: string) => `runs/${run}/plan.json`,
  head: (run: string, stage: string) => `runs/${run}/${stage}/head.json`,
  result: (run: string, stage: string) => `runs/${run}/${stage}/result.json`,
  hostCache: (host: string) => `hosts/${host}/weights.json`,
  stage: (run: string, stage: string) => `runs/${run}/${stage}/`,
  attempts: (run: string, stage: string) => `runs/${run}/${stage}/attempts/`,
  attempt: (run: string, stage: string, token: number) => `runs/${run}/${stage}/attempts/${String(token)}`,
  /** Marks of those who want a checkpoint kept, one object each. */
  pins: (run: string, stage: string) => `runs/${run}/${stage}/pins/`,
} as const;
