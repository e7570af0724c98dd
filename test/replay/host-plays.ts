/**
 * @module Paths on which hosts are set aside: by a fault, by a person, by a worker that leaves; played in a lab as those
 * in plays.ts.
 */
import assert from 'node:assert/strict';
import { fail } from '../../activities/support/failures.ts';
import { poolWorkflowId } from '../../contracts/ids.ts';
import type { Lab } from '../support/lab.ts';
import { clearUpdate, drainUpdate, joinSignal, uncordonUpdate } from '../../workflows/base/messages.ts';
import { finish, setScene, startStage, trainForEver, viewPoolOf, type Scene } from '../support/scene.ts';
import { until } from '../support/until.ts';
import { executionOf, type Execution, type Play } from './play.ts';

const ada = { by: 'ada', why: 'to see' };

export const HOST_PLAYS: Readonly<Record<string, Play>> = {
  'a host is quarantined for a fault, its stage goes elsewhere, and a person clears it': async (
    lab,
    name,
  ) => {
    const scene = await setScene(
      lab,
      { name },
      {
        hosts: ['host-a', 'host-b', 'host-c'],
        train: (input, host, self) => {
          if (input.attempt === 2) return finish(input, host, self);
          if (host !== 'host-a') return trainForEver(input, host, self);
          return Promise.reject(fail('GpuFault', 'Xid 79', { host }));
        },
      },
    );
    const first = await poolExecution(lab, scene);
    const handle = await startStage(scene);
    assert.equal((await handle.result()).attempts, 2);
    await until('quarantine', async () => (await hostOf(scene, 'host-a')).quarantined);
    const order = { ...ada, host: 'host-a' };
    await poolOf(lab, scene).executeUpdate(clearUpdate, { args: [order] });
    assert.equal((await hostOf(scene, 'host-a')).usable, true);
    return { 'stage-gpu-fault': executionOf(handle), 'pool-quarantined': first };
  },

  'a host is drained by a person, and another by its own worker': async (lab, name) => {
    const scene = await setScene(
      lab,
      { name },
      {
        hosts: ['host-a', 'host-b', 'host-c'],
        train: (input, host, self) =>
          input.attempt === 3 ? finish(input, host, self) : trainForEver(input, host, self),
      },
    );
    const first = await poolExecution(lab, scene);
    const pool = poolOf(lab, scene);
    const handle = await startStage(scene);
    await until('the whole gang to train', () => scene.trainings.length === 2);
    await pool.executeUpdate(drainUpdate, { args: [{ ...ada, host: 'host-a' }] });
    await until('its leave', async () => !(await hostOf(scene, 'host-a')).present);
    await until('the gang to train elsewhere', () => scene.trainings.length === 4);
    const hostA = { name: 'host-a', gpus: 2, address: 'host-a.example' };
    scene.comeBack('host-a');
    await pool.signal(joinSignal, hostA);
    await pool.executeUpdate(uncordonUpdate, { args: [{ ...ada, host: 'host-a' }] });
    await until('it to be of use', async () => (await hostOf(scene, 'host-a')).usable);
    await pool.signal(joinSignal, { name: 'host-b', gpus: 2, address: 'host-b.example', leaving: 'SIGTERM' });
    assert.equal((await handle.result()).attempts, 3);
    await until('its leave', async () => !(await hostOf(scene, 'host-b')).present);
    return { 'stage-drained': executionOf(handle), 'pool-drained': first };
  },
};

function poolOf(lab: Lab, { run }: Scene) {
  return lab.client.workflow.getHandle(poolWorkflowId(run));
}

/** The one that runs now: where it continues under a new history, that one is another path. */
async function poolExecution(lab: Lab, scene: Scene): Promise<Execution> {
  const { workflowId, runId } = await poolOf(lab, scene).describe();
  return { workflowId, runId };
}

async function hostOf(scene: Scene, name: string) {
  const found = (await viewPoolOf(scene)).hosts.find((host) => host.name === name);
  if (found === undefined) throw new Error(`the pool has no host '${name}'`);
  return found;
}
