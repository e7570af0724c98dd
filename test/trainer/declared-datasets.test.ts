import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { execa } from 'execa';
import { classifyExit } from '../../activities/training/crashes/classify.ts';
import {
  datasetVariables,
  writeDeclaredDatasets,
} from '../../activities/training/progress/declared-datasets.ts';
import { parseEvaluation } from '../../activities/training/evaluation/parse-evaluation.ts';
import { writeGleeYaml } from '../../planning/glee/write-glee-yaml.ts';
import { packageRoot } from '../../planning/environment/package-root.ts';
import { resolveFineTunePlan } from '../../planning/resolve-fine-tune.ts';
import type { DatasetPlan } from '../../contracts/datasets.ts';
import { temporaryFolder, writeInto } from '../fixtures/glee-checkout.ts';
import { VIDEO_CONFIGS } from '../fixtures/glee-facts.ts';
import { makeStandIn, sha256, type StandIn } from '../sandbox/stand-in.ts';

const companion = join(packageRoot, 'trainer/companion.py');
const ROOT = 'odinw/dataset/CottontailRabbits';
const RABBITS: DatasetPlan = {
  name: 'odinw13_Rabbits_train',
  annotations: `${ROOT}/train/annotations_without_background.json`,
  images: `${ROOT}/train`,
  task: 'odinw13_Rabbits',
};
const STAGE2 = 'projects/GLEE/configs/images/Lite/Stage2_joint_training_CLIPteacher_R50.yaml';

describe('data sets that the plan declares, on the stand-in', { concurrency: 2 }, () => {
  let root = '';
  let standIn: StandIn = { checkout: '', python: '' };
  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'glee-declared-'));
    standIn = await makeStandIn(root);
  });
  after(() => rm(root, { recursive: true, force: true }));

  interface Run {
    readonly declared?: readonly DatasetPlan[];
    readonly ranks?: number;
    readonly more?: readonly string[];
    readonly set?: Readonly<Record<string, string | number>>;
  }

  async function start(folder: string, { declared = [RABBITS], ranks = 1, more = [], set = {} }: Run = {}) {
    const file = join(folder, 'datasets.json');
    await writeFile(file, JSON.stringify(declared));
    const settings = {
      OUTPUT_DIR: folder,
      'MODEL.WEIGHTS': 'model_zoo/GLEE_Lite_joint.pth',
      'DATASETS.TRAIN': '("odinw13_Rabbits_train",)',
      'DATASETS.TEST': '("odinw13_Rabbits",)',
      'DATALOADER.DATASET_RATIO': '(1,)',
      'DATALOADER.DATASET_BS': '(2,)',
      'SOLVER.IMS_PER_BATCH': 2 * ranks,
      'SOLVER.MAX_ITER': 100,
      ...set,
    };
    const args = ['--config-file', STAGE2, '--num-gpus', String(ranks), '--dist-url', 'auto', ...more];
    return execa(standIn.python, [companion, ...args, ...Object.entries(settings).flat().map(String)], {
      cwd: standIn.checkout,
      env: { GLEE_JOB_FOLDER: folder, ...(declared.length > 0 && { GLEE_DATASETS_FILE: file }) },
      reject: false,
      all: true,
    });
  }

  it('are trained on by every rank, and what is learned shows in the evaluation', async (t) => {
    const folder = await temporaryFolder(t);
    const trained = await start(folder, { ranks: 2 });
    assert.equal(trained.exitCode, 0, trained.all);
    const evaluate = async (weights: string) => {
      const other = await temporaryFolder(t);
      const { exitCode, all } = await start(other, {
        more: ['--eval-only'],
        set: { 'MODEL.WEIGHTS': weights },
      });
      assert.equal(exitCode, 0, all);
      return parseEvaluation(all).find(({ metric }) => metric === 'bbox/AP')?.value ?? Number.NaN;
    };
    const [before, after] = [
      await evaluate('model_zoo/GLEE_Lite_joint.pth'),
      await evaluate(join(folder, 'model_final.pth')),
    ];
    assert.ok(after > before + 1, `${before} → ${after}`);
    const own = parseEvaluation(await readFile(join(folder, 'log.txt'), 'utf8'));
    assert.equal(
      own.find(({ metric }) => metric === 'bbox/AP')?.value,
      after,
      'as the training itself found',
    );
  });

  it('are trained on as the shipped finetune/sandbox plans it, and GLEE and the stand-in agree on videos', async (t) => {
    const resolve = (config: string, configDirectory?: string) =>
      resolveFineTunePlan({
        run: 'tune-1',
        config,
        ...(configDirectory !== undefined && { configDirectory }),
        checkout: standIn.checkout,
        findArtifact: () => Promise.resolve(undefined),
      });
    const { plan, problems } = await resolve('finetune/sandbox');
    assert.deepEqual(problems, []);
    assert.ok(plan !== undefined);
    const { configFile, overrides, datasets = [] } = plan.stage;
    const folder = await temporaryFolder(t);
    await writeDeclaredDatasets({ folder }, plan.stage);
    const base = join(standIn.checkout, configFile);
    const weights = join(standIn.checkout, 'model_zoo/GLEE_Lite_joint.pth');
    const yaml = writeGleeYaml({ base, weights, outputDir: folder, overrides });
    await writeFile(join(folder, 'config.in.yaml'), yaml);
    const args = ['--config-file', join(folder, 'config.in.yaml'), '--num-gpus', '2', '--dist-url', 'auto'];
    const { exitCode, all } = await execa(standIn.python, [companion, ...args], {
      cwd: standIn.checkout,
      env: { GLEE_JOB_FOLDER: folder, ...datasetVariables({ folder }, { datasets }) },
      reject: false,
      all: true,
    });
    assert.equal(exitCode, 0, all);
    const lines = (await readFile(join(folder, 'metrics.json'), 'utf8')).trimEnd().split('\n');
    assert.equal(lines.filter((line) => line.includes(`"${plan.evaluation.metric ?? ''}"`)).length, 3);

    const configs = await temporaryFolder(t);
    for (const { file } of VIDEO_CONFIGS) {
      const [, variant = '', name = ''] = file.split('/');
      const task = /^(ytvis19|ovis|tao|burst|lvvis)/i.exec(name)?.[0].toLowerCase() ?? '';
      await writeInto(configs, 'finetune/video.yaml', `task: video/${task}\nvariant: ${variant}\n`);
      const video = await resolve('finetune/video', configs);
      // This GLEE can evaluate on LV-VIS, and not train on it: the stand-in's tables say the same as GLEE's.
      const expected = task === 'lvvis' ? [/can't train on 'lvvis_train'/] : [];
      assert.equal(video.problems.length, expected.length, JSON.stringify(video.problems));
      for (const [index, text] of expected.entries())
        assert.match(video.problems[index]?.message ?? '', text);
      if (task !== 'lvvis') assert.equal(video.plan?.stage.configFile, `projects/GLEE/configs/${file}`);
    }
  });

  it('are registered nowhere without the companion being told', async (t) => {
    const { exitCode, all } = await start(await temporaryFolder(t), { declared: [] });
    assert.notEqual(exitCode, 0);
    assert.match(all, /KeyError: "Dataset 'odinw13_Rabbits_train' is not registered!/);
  });

  it('give the same images for a seed, and others for another', async (t) => {
    const weights: string[] = [];
    for (const seed of [0, 0, 1]) {
      const folder = await temporaryFolder(t);
      const declared = [{ ...RABBITS, fewShot: { shots: 1, seed } }];
      const { exitCode, all } = await start(folder, { declared, set: { 'SOLVER.MAX_ITER': 5 } });
      assert.equal(exitCode, 0, all);
      assert.match(
        all,
        new RegExp(`^glee: odinw13_Rabbits_train: [1-8] of 64 images, drawn by seed ${seed}$`, 'm'),
      );
      weights.push(await sha256(join(folder, 'model_final.pth')));
    }
    assert.equal(weights[0], weights[1]);
    assert.notEqual(weights[0], weights[2]);
  });

  it('must not take the place of another that GLEE has registered', async (t) => {
    const declared = [{ ...RABBITS, name: 'odinw13_Rabbits' }];
    const { exitCode, all } = await start(await temporaryFolder(t), { declared });
    assert.equal(exitCode, 1);
    const { type, line } = classifyExit({ code: 1, signal: null, at: 0 }, all);
    assert.equal(type, 'TrainerConfig');
    assert.match(line, /^glee: data set odinw13_Rabbits is registered already, with .*valid\/annotations/);
  });

  it('may be the very same that GLEE has registered', async (t) => {
    const place = { annotations: RABBITS.annotations.replace('train', 'valid'), images: `${ROOT}/valid` };
    const same = { ...RABBITS, ...place, name: 'odinw13_Rabbits' };
    const { exitCode, all } = await start(await temporaryFolder(t), {
      declared: [RABBITS, same],
      set: { 'SOLVER.MAX_ITER': 2 },
    });
    assert.equal(exitCode, 0, all);
  });

  it('must have as many categories as there are words', async (t) => {
    const declared = [{ ...RABBITS, task: 'own_rabbits', words: ['rabbit'] }];
    const { exitCode, all } = await start(await temporaryFolder(t), { declared });
    assert.equal(exitCode, 1);
    assert.equal(classifyExit({ code: 1, signal: null, at: 0 }, all).type, 'TrainerConfig');
    assert.match(all, /^glee: data sets of own_rabbits have 8 categories, and the config has words for 1$/m);
  });

  it("leaves no figure of a video, but GLEE's results.json", async (t: TestContext) => {
    const folder = await temporaryFolder(t);
    const set = { 'DATASETS.TEST': '("ytvis_2019_val",)' };
    const { exitCode, all } = await start(folder, { more: ['--eval-only'], set });
    assert.equal(exitCode, 0, all);
    assert.deepEqual(parseEvaluation(all), []);
    assert.match(await readFile(join(folder, 'inference/results.json'), 'utf8'), /^\[\{/);
  });
});
