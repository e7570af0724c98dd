/**
 * @module Kills parts of the stack at moments drawn from a seed, and measures how long each takes to come back.
 */
import type { RunSnapshot } from '../cli/shared/observe-run.ts';
import { STAGES, type StageName } from '../contracts/plan.ts';
import type { Progress } from '../contracts/training.ts';
import { randomNumbers } from './random.ts';
import type { Stack } from './stack.ts';

export const VICTIMS = ['trainer', 'GPU worker', 'Temporal server'] as const;
export type Victim = (typeof VICTIMS)[number];

/** When to strike: once this stage has trained this share of its iterations. */
export interface Strike {
  readonly victim: Victim;
  readonly stage: StageName;
  /** Between 0 and 1. */
  readonly share: number;
}

export interface Recovery {
  readonly victim: Victim;
  readonly stage: StageName;
  readonly iteration: number;
  /** From the kill to the first newer iteration that Temporal shows, in seconds. */
  readonly seconds: number;
  /** True when the trainers continued as the same processes. */
  readonly sameTrainer: boolean;
}

/** One strike on each victim, one in each stage: the same for the same seed. */
export function drawStrikes(seed: number): Strike[] {
  const random = randomNumbers(seed);
  const victims = VICTIMS.map((victim) => ({ victim, order: random() })).toSorted(
    (a, b) => a.order - b.order,
  );
  return victims.flatMap(({ victim }, index) => {
    const stage = STAGES[index];
    return stage === undefined ? [] : [{ victim, stage, share: 0.2 + 0.4 * random() }];
  });
}

/** Strikes when a snapshot shows that the moment has come. */
export class Chaos {
  readonly recoveries: Recovery[] = [];
  readonly #stack: Stack;
  readonly #note: (text: string) => void;
  #pending: Strike[];
  #open: { readonly strike: Strike; readonly at: number; readonly before: Progress } | undefined;

  constructor(stack: Stack, strikes: readonly Strike[], note: (text: string) => void) {
    this.#stack = stack;
    this.#pending = [...strikes];
    this.#note = note;
  }

  /** Strikes whose moment never came: the run was over first. */
  get missed(): readonly Strike[] {
    return this.#pending;
  }

  look(snapshot: RunSnapshot): void {
    const progress = snapshot.stage?.hosts[0];
    const stage = snapshot.stage?.name;
    if (progress === undefined || stage === undefined) return;
    this.#close(stage, progress);
    const strike = this.#pending.find((one) => one.stage === stage);
    if (strike === undefined || this.#open !== undefined) return;
    if ((progress.iteration ?? 0) < strike.share * progress.maxIterations) return;
    const at = performance.now();
    if (!this.#strike(strike, progress)) return;
    this.#pending = this.#pending.filter((one) => one !== strike);
    this.#open = { strike, at, before: progress };
  }

  #strike({ victim, stage }: Strike, { host, pid, iteration = 0 }: Progress): boolean {
    const gpuWorker = this.#stack.hosts.find(({ name }) => name === host)?.worker;
    const target = {
      'GPU worker': gpuWorker?.pid,
      'Temporal server': this.#stack.temporal.process.pid,
      trainer: pid,
    }[victim];
    if (target === undefined) return false;
    if (victim === 'GPU worker') gpuWorker?.kill('SIGKILL');
    else if (victim === 'Temporal server') this.#stack.temporal.process.kill('SIGKILL');
    else process.kill(target, 'SIGKILL');
    const where = victim === 'Temporal server' ? '' : ` on ${host}`;
    this.#note(`SIGKILL to the ${victim}${where} (pid ${target}) at ${stage} iteration ${iteration}`);
    return true;
  }

  #close(stage: string, progress: Progress): void {
    const open = this.#open;
    if (open === undefined) return;
    const { strike, at, before } = open;
    const fresh =
      progress.attempt > before.attempt
        ? progress.iteration !== undefined
        : (progress.iteration ?? 0) > (before.iteration ?? 0);
    if (stage === strike.stage && !fresh) return;
    const seconds = (performance.now() - at) / 1000;
    const sameTrainer = progress.pid === before.pid;
    this.#open = undefined;
    this.recoveries.push({
      victim: strike.victim,
      stage: strike.stage,
      iteration: before.iteration ?? 0,
      seconds,
      sameTrainer,
    });
    this.#note(
      `${strike.victim} recovered after ${seconds.toFixed(1)} s: ${howItGoesOn(stage, progress, open)}`,
    );
  }
}

function howItGoesOn(
  stage: string,
  { pid, attempt, iteration = 0 }: Progress,
  { strike, before }: { readonly strike: Strike; readonly before: Progress },
): string {
  if (stage !== strike.stage) return `${strike.stage} had ended by then, and ${stage} runs`;
  const who = pid === before.pid ? 'the same trainer' : `attempt ${attempt}`;
  return `${who} continues at ${stage} iteration ${iteration}`;
}
