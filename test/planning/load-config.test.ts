import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { listJointConfigs, loadJointConfig } from '../../planning/load-config.ts';
import { ConfigError } from '../../planning/reading/problems.ts';
import { temporaryFolder, writeInto } from '../fixtures/glee-checkout.ts';

const GOOD = 'variant: Lite\ngang: { hosts: 1, gpusPerHost: 2 }\nstages:\n  stage1:\n';

test('a config is found by its name and read', async (t) => {
  const folder = await folderWith(t, GOOD);
  const { config, name } = await loadJointConfig('joint/mine', folder);
  assert.equal(name, 'joint/mine');
  assert.deepEqual(config, { variant: 'Lite', gang: { hosts: 1, gpusPerHost: 2 }, stages: { stage1: {} } });
});

test('durations become milliseconds', async (t) => {
  const folder = await folderWith(
    t,
    `${GOOD}limits: { heartbeatTimeout: 500ms, hostTimeout: 1.5m, stallTimeout: 2h }\n`,
  );
  const { config } = await loadJointConfig('joint/mine', folder);
  assert.deepEqual(config.limits, { heartbeatTimeout: 500, hostTimeout: 90_000, stallTimeout: 7_200_000 });
});

test('an unknown config name lists those that exist, and the nearest', async (t) => {
  const folder = await folderWith(t, GOOD);
  await writeInto(folder, 'joint/team/other.yaml', GOOD);
  assert.deepEqual(await listJointConfigs(folder), ['joint/mine', 'joint/team/other']);
  assert.deepEqual(await problemsOf('joint/mime', folder), [
    `${folder}: no config 'joint/mime'; did you mean 'joint/mine'? (there are joint/mine, joint/team/other)`,
  ]);
});

test('a config named without its folder, or by its file, is pointed to its name', async (t) => {
  const folder = await folderWith(t, GOOD);
  for (const name of ['mine', 'joint/mine.yaml', 'configs/joint/mine.yaml']) {
    assert.match((await problemsOf(name, folder)).join(), /did you mean 'joint\/mine'\?/);
  }
});

test('a name that leads out of the folder is an unknown name, whatever lies there', async (t) => {
  const folder = await folderWith(t, GOOD);
  for (const name of ['../joint/mine', join(folder, 'joint/mine'), 'joint/../joint/mine', '', '.']) {
    assert.match((await problemsOf(name, folder)).join(), /no config/);
  }
});

test('an unknown variant names line, key and the nearest right value', async (t) => {
  const folder = await folderWith(t, GOOD.replace('Lite', 'lite'));
  assert.deepEqual(await problemsOf('joint/mine', folder), [
    `${folder}/joint/mine.yaml:1: variant: 'lite' is none of Lite, Plus or Pro; did you mean 'Lite'?`,
  ]);
});

test('misspelt keys name line and the nearest right key, at every depth', async (t) => {
  const folder = await folderWith(
    t,
    'variant: Lite\ngangs: 1\ngang: { hosts: 1, gpusPerHost: 2 }\nstages:\n  stage1:\n    wieghts: { path: a }\n  stage2:\n    weights: { pth: a }\n',
  );
  const file = `${folder}/joint/mine.yaml`;
  assert.deepEqual(await problemsOf('joint/mine', folder), [
    `${file}:2: gangs: unknown key; did you mean 'gang'?`,
    `${file}:6: stages.stage1.wieghts: unknown key; did you mean 'weights'?`,
    `${file}:8: stages.stage2.weights.path: is missing: a text`,
    `${file}:8: stages.stage2.weights.pth: unknown key; did you mean 'path'?`,
  ]);
});

test('a key far from every right one lists the right ones', async (t) => {
  const folder = await folderWith(t, GOOD.replace('hosts: 1', 'hosts: 1, machines: 3'));
  assert.match(
    (await problemsOf('joint/mine', folder)).join(),
    /gang\.machines: unknown key; known here: hosts, gpusPerHost/,
  );
});

test('values of the wrong kind say what would be right', async (t) => {
  const folder = await folderWith(
    t,
    'variant: Lite\ngang: { hosts: 0, gpusPerHost: two }\nlimits:\n  stallTimeout: 30\n  hostTimeout: 30 minutes\n  phases: { saving: 500ms, itration: 10m }\nstages:\n  stage1: yes please\n',
  );
  const problems = (await problemsOf('joint/mine', folder)).map((line) =>
    line.replace(`${folder}/joint/mine.yaml`, ''),
  );
  assert.deepEqual(problems, [
    ':2: gang.hosts: must be at least 1, not 0',
    ":2: gang.gpusPerHost: must be a number, not 'two'",
    ':4: limits.stallTimeout: must be a text, not 30',
    ":5: limits.hostTimeout: '30 minutes' is no duration: write a number and a unit, as 500ms, 30s, 5m, 2h or 1d",
    ':6: limits.phases.saving: must be from 1s to 7d',
    ":6: limits.phases.itration: unknown key; did you mean 'iteration'?",
    ":8: stages.stage1: must be a map, not 'yes please'",
  ]);
});

test('a config without a stage says how to write one', async (t) => {
  const folder = await folderWith(t, GOOD.replace('stages:\n  stage1:\n', 'stages: {}\n'));
  assert.match((await problemsOf('joint/mine', folder)).join(), /:3: stages: names no stage: write/);
});

test('an empty file is told as such', async (t) => {
  const folder = await folderWith(t, '# nothing\n');
  assert.deepEqual(await problemsOf('joint/mine', folder), [`${folder}/joint/mine.yaml: is empty`]);
});

test('broken YAML names the line', async (t) => {
  const folder = await folderWith(t, `${GOOD}variant: Pro\n`);
  assert.deepEqual(await problemsOf('joint/mine', folder), [
    `${folder}/joint/mine.yaml:5: is not valid YAML: Map keys must be unique`,
  ]);
});

async function folderWith(t: TestContext, yaml: string): Promise<string> {
  const folder = await temporaryFolder(t);
  await writeInto(folder, 'joint/mine.yaml', yaml);
  return folder;
}

async function problemsOf(name: string, folder: string): Promise<string[]> {
  const error: unknown = await loadJointConfig(name, folder).catch((error: unknown) => error);
  assert.ok(error instanceof ConfigError, `expected a ConfigError, got ${String(error)}`);
  return error.message.split('\n');
}
