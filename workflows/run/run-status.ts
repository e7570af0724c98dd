/** @module The state of a run as queries show it. */
import { setCurrentDetails, setHandler } from '@temporalio/workflow';
import { markdownText } from '../../contracts/markdown.ts';
import type { Plan, Problem } from '../../contracts/plan.ts';
import type { RunState, StageStatus } from '../../contracts/runs.ts';
import { runStateQuery } from '../base/messages.ts';

export class RunStatus {
  #state: RunState;

  /** Create it before the workflow's first await. */
  constructor(run: string, config: string) {
    this.#state = { run, config, variant: null, phase: 'planning', stages: [], warnings: [] };
    setHandler(runStateQuery, () => this.#state);
  }

  /** The plan is known: its stages wait. */
  planned(
    variant: Plan['variant'],
    stages: readonly StageStatus['stage'][],
    warnings: readonly Problem[],
  ): void {
    this.update({
      variant,
      stages: stages.map((stage) => ({ stage, status: 'waiting' })),
      warnings: warnings.map(({ file, key, message }) => `${file}: ${key}: ${message}`),
    });
  }

  readonly update = (change: Partial<RunState>): void => {
    this.#state = { ...this.#state, ...change };
    const { config, phase } = this.#state;
    const stages = this.#state.stages.map(({ stage, status }) => `${stage} ${status}`).join(', ');
    setCurrentDetails(`**${markdownText(config)}**: ${phase}${stages === '' ? '' : `: ${stages}`}`);
  };

  readonly updateStage = (status: StageStatus): void => {
    const stages = this.#state.stages.map((other) => (other.stage === status.stage ? status : other));
    this.update({ stages });
  };

  /** An evaluation has ended: none runs until the next begins. */
  evaluated(evaluations: NonNullable<RunState['evaluations']>): void {
    const { evaluating, ...rest } = this.#state;
    this.#state = { ...rest, evaluations };
  }
}
