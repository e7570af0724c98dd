/**
 * @module Records the histories that the replay test replays: `npm run record`. See README.md beside this file.
 */
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Client } from '@temporalio/client';
import { execa } from 'execa';
import { packageRoot } from '../../planning/environment/package-root.ts';
import { startRun } from '../../cli/runs/start.ts';
import { obtainServer } from '../../sandbox/obtain.ts';
import { startSweepLab } from '../../bench/sweep-lab.ts';
import { configured, startLab } from '../support/lab.ts';
import {
  look,
  resultOf,
  startTestStack,
  trainToTheEnd,
  untilIteration,
  type TestStack,
} from '../support/stack.ts';
import { CONTROL_TASK_QUEUE } from '../../contracts/ids.ts';
import { controlUpdates } from '../../workflows/base/messages.ts';
import { newGate } from '../support/scene.ts';
import { until } from '../support/until.ts';
import type { Execution } from './play.ts';
import { LAB, PLAYS } from './plays.ts';
import { historiesFolder, isScenario, type Scenario } from './scenarios.ts';

await recordPlays();
await recordSweeps();
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

/** A sweep that continues as new while a segment continues: the recordings are of the sweep alone, its trials do nothing. */
async function recordSweeps(): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'glee-record-'));
  const held = newGate();
  const lab = await startSweepLab({
    executable: await configured(await obtainServer('temporal'), directory, LAB.dynamicConfig ?? {}),
    configDirectory: join(packageRoot, 'test/fixtures/configs'),
    trial: ({ run }) => (run.endsWith('lr0.05-s1') ? held.opened : Promise.resolve()),
  });
  try {
    const handle = await lab.start('swept-long', 'sweeps/continued');
    const newest = () => lab.client.workflow.getHandle('swept-long').describe();
    const runId = await until('the sweep to continue as new', async () => {
      const now = (await newest()).runId;
      return now !== handle.firstExecutionRunId && now;
    });
    held.open();
    await handle.result();
    const execution = { workflowId: 'swept-long' };
    await save(lab.address, 'swept-continued', { ...execution, runId: handle.firstExecutionRunId });
    await save(lab.address, 'swept-after-continued', { ...execution, runId });
  } finally {
    await lab.stop();
    await rm(directory, { recursive: true, force: true });
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

    await startRun(client, 'rabbits', { config: 'finetune/rabbits' });
    await client.workflow.getHandle('rabbits').result();
    await save(address, 'fine-tuned', { workflowId: 'rabbits' });
    await save(address, 'evaluated', { workflowId: 'rabbits/evaluate-80' });
    await client.schedule.create({
      scheduleId: 'weekly',
      spec: { cronExpressions: ['0 3 1 1 *'] },
      action: {
        type: 'startWorkflow',
        workflowType: 'scheduledRun',
        workflowId: 'weekly',
        taskQueue: CONTROL_TASK_QUEUE,
        args: [{ config: 'finetune/follows' }],
      },
    });
    await save(address, 'scheduled', await triggered(client, 1));
    await save(address, 'scheduled-nothing', await triggered(client, 2));
    await client.workflow.execute('fineTuneSweep', {
      workflowId: 'swept',
      taskQueue: CONTROL_TASK_QUEUE,
      args: [{ config: 'sweeps/small' }],
    });
    await save(address, 'swept', { workflowId: 'swept' });

    await startRun(client, 'killed', { config: 'joint/short' });
    const { pid } = await untilIteration(stack, 'killed', 'stage1', 60);
    if (pid !== undefined) process.kill(pid, 'SIGKILL');
    await resultOf(stack, 'killed');
    await save(address, 'stage-trainer-killed', { workflowId: 'killed/stage1' });

    await startRun(client, 'diverges', { config: 'joint/bad-setting' });
    await until('the run to ask', async () => {
      return (await look(stack, 'diverges'))?.stage?.state?.phase === 'waiting for a decision';
    });
    const stop = { by: 'ada', why: 'the learning rate is absurd', action: 'stop' };
    await client.workflow.getHandle('diverges').executeUpdate(controlUpdates.resolve, { args: [stop] });
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

/** The execution that the schedule begins now, at its end. */
async function triggered(client: Client, count: number): Promise<Execution> {
  const schedule = client.schedule.getHandle('weekly');
  await schedule.trigger();
  const { workflowId, firstExecutionRunId: runId } = await until('it to begin', async () => {
    const { recentActions } = (await schedule.describe()).info;
    return recentActions.length === count && recentActions.at(-1)?.action.workflow;
  });
  await client.workflow.getHandle(workflowId, runId).result();
  return { workflowId, runId };
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
    console.log(`kept ${scenario}: delete its file to record it again`);
  }
}
