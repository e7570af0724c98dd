/** @module What a stage answers while it runs: the query for its state, the pool's yields, and orders of people. */
import { setHandler } from '@temporalio/workflow';
import { CONTROL_KINDS, isForRun, parseControl, type ControlKind } from '../../contracts/controls.ts';
import { controlUpdates, stageStateQuery } from '../base/messages.ts';
import { refused } from '../base/refused.ts';
import { onYield } from './on-yield.ts';
import { afterControl, refusal, type StageControl } from './stage-controls.ts';
import type { StageRun } from './stage-run.ts';

/** A person who wants hosts back waits so long for the next checkpoint, where the trainer cannot save when asked. */
const LONGEST_SAVE_MS = 600_000;

/** Call it before the workflow's first await. */
export function answerMessages(stage: StageRun): void {
  setHandler(stageStateQuery, () => stage.state);
  onYield(stage.lease, ({ why, withinMs }) => {
    stage.update({}, `the pool wants its hosts back: ${why}`);
    stage.interrupt('gives its hosts back', withinMs);
  });
  for (const kind of CONTROL_KINDS) {
    setHandler(controlUpdates[kind], (order) => obey(stage, controlOf(stage, kind, order)), {
      validator: (order) => {
        const problem = refusal(controlOf(stage, kind, order), stage.state, stage.input.plan);
        if (problem !== undefined) throw refused(problem);
      },
    });
  }
}

/** Resolves with what the person is told. */
async function obey(stage: StageRun, order: StageControl): Promise<string> {
  stage.replaceState(afterControl(stage.state, order, Date.now()));
  const answer = stage.state.events.at(-1)?.text ?? '';
  switch (order.kind) {
    case 'pause':
    case 'yield':
      stage.interrupt('gives its hosts back', LONGEST_SAVE_MS);
      break;
    case 'retry':
    case 'extend':
      stage.interrupt('keeps its hosts', LONGEST_SAVE_MS);
      break;
    case 'priority':
      void stage.lease.tellPriority(order.priority);
      break;
    case 'resume':
    case 'resolve':
      break;
  }
  if (await stage.changeRecord.keepSoon(stage.state.changes)) return answer;
  return `${answer}; S3 does not answer, so a start of the run before the next attempt would not know of it`;
}

function controlOf({ input }: StageRun, kind: ControlKind, order: unknown): StageControl {
  const parsed = parseControl(kind, order);
  if (!parsed.ok) throw refused(parsed.problem);
  if (isForRun(parsed.control)) throw refused(`'${kind}' is asked of the run '${input.run}', not of a stage`);
  return parsed.control;
}
