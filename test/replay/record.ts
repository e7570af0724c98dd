/**
 * @module Records the histories that the replay test replays: `npm run record`. See README.md beside this file.
 */
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { startRun } from '../../cli/start.ts';
import { obtainServer } from '../../sandbox/obtain.ts';
import { startLab } from '../support/lab.ts';
import {
  look,
  resultOf,
  startTestStack,
  trainToTheEnd,
  untilIteration,
  type TestStack,
} from '../support/stack.ts';
import { until } from '../support/until.ts';
import { LAB, PLAYS, type Execution } from './plays.ts';
import { historiesFolder, isScenario, type Scenario } from './scenarios.ts';

await recordPlays();
await recordTrainings();

/** What can only be had by force. */
async function recordPlays(): Promise<void> {
  const lab = await startLab(LAB);
  try {
    for (const [title, play] of Object.entries(PLAYS)) {
      const executions = Object.entries(await play(lab, title));
      for (const [scenario, execution] of executions) {
        if (isScenario(scenario) && execution !== undefined) await save(lab.address, scenario, execution);
      }
    }
  } finally {
    await lab.stop();
  }
}

/** What the embedded default does by itself. */
async function recordTrainings(): Promise<void> {
  const stack = await startTestStack();
  try {
    const { client, temporal } = stack;
    const { address } = temporal;
    await trainToTheEnd(stack, 'trained', 'joint/two-stages');
    await save(address, 'joint-trained', { workflowId: 'trained' });
    await save(address, 'stage-trained', { workflowId: 'trained/stage2' });
    await trainToTheEnd(stack, 'trained', 'joint/two-stages');
    await save(address, 'joint-reused-stages', { workflowId: 'trained' });

    await keepOnlySource(stack);
    await trainToTheEnd(stack, 'merged', 'joint/merged-weights');
    await save(address, 'joint-prepared-weights', { workflowId: 'merged' });
    await save(address, 'joint-room-checked', { workflowId: 'merged' });
    await save(address, 'weights-prepared', { workflowId: 'merged/weights' });
    await save(address, 'artifact-fetched', { workflowId: 'artifact/eva02-large' });
    await save(address, 'artifact-converted', { workflowId: 'artifact/eva02-large-converted' });
    await save(address, 'artifact-merged', { workflowId: 'artifact/custom-backbone-start' });

    await startRun(client, 'refused', { config: 'joint/no-such-config' });
    await until('the run to fail', async () => (await look(stack, 'refused'))?.status === 'FAILED');
    await save(address, 'joint-refused-config', { workflowId: 'refused' });

    await startRun(client, 'killed', { config: 'joint/short' });
    const { pid } = await untilIteration(stack, 'killed', 'stage1', 60);
    if (pid !== undefined) process.kill(pid, 'SIGKILL');
    await resultOf(stack, 'killed');
    await save(address, 'stage-trainer-killed', { workflowId: 'killed/stage1' });

    await startRun(client, 'diverges', { config: 'joint/bad-setting' });
    await until('the run to fail', async () => (await look(stack, 'diverges'))?.status === 'FAILED');
    await save(address, 'stage-bad-setting', { workflowId: 'diverges/stage1' });

    await startRun(client, 'cancelled', { config: 'joint/short' });
    await untilIteration(stack, 'cancelled', 'stage1', 20);
    await client.workflow.getHandle('cancelled').cancel();
    await until(
      'the run to be cancelled',
      async () => (await look(stack, 'cancelled'))?.status === 'CANCELLED',
    );
    await save(address, 'joint-cancelled', { workflowId: 'cancelled' });
    await save(address, 'stage-cancelled', { workflowId: 'cancelled/stage1' });
    await save(address, 'pool', { workflowId: 'pool/default' });
  } finally {
    await stack.stop();
  }
}

/** What the checkout has is not made: the converted file becomes what it would be converted from. */
async function keepOnlySource({ env }: TestStack): Promise<void> {
  const inCheckout = (name: string) => join(env.GLEE_CHECKOUT ?? '', 'weights', name);
  await rename(inCheckout('converted_EVA02_m38m_psz14to16.pth'), inCheckout('eva02_L_pt_m38m_p14to16.pt'));
}

/**
 * The command line's JSON is what `runReplayHistory` reads; `JSON.stringify(fetchHistory())` is not. What is recorded
 * already stays as it is: it stands for trainings that began on older code.
 */
async function save(
  address: string,
  scenario: Scenario,
  { workflowId, runId }: Pick<Execution, 'workflowId'> & Partial<Execution>,
): Promise<void> {
  const run = runId === undefined ? [] : ['--run-id', runId];
  const args = ['workflow', 'show', '--workflow-id', workflowId, ...run, '--output', 'json'];
  const { stdout } = await execa(await obtainServer('temporal'), [...args, '--address', address]);
  try {
    await writeFile(join(historiesFolder, `${scenario}.json`), `${stdout}\n`, { flag: 'wx' });
    console.log(`recorded ${scenario}`);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    console.log(`kept ${scenario}: delete its file to record it anew`);
  }
}
