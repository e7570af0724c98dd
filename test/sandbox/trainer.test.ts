import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { execa } from 'execa';
import getPort from 'get-port';
import * as standIns from './stand-in.ts';
import type { StandIn, Training } from './stand-in.ts';
import { pythonWithTorch } from '../../sandbox/torch-python.ts';
import { readMetrics, sha256, stage1, succeed, trainersIn, until } from './stand-in.ts';

const stage2 = 'Lite/Stage2_joint_training_CLIPteacher_R50';
const stage3 = 'Lite/Stage3_scaleup_CLIPteacher_R50';
const warmUp = 'weights/converted_maskdino_r50_withoutclip.pth';
/** Stage 2's data sets with a registered one in the place of sa1b_32_train. */
const stage2Train =
  '("openimage_train","objects365_v2_train","lvis_v1_train","vg_train","vg_captiontrain","coco_2017_train",' +
  '"refcoco-mixed","sa1b_500k","UVO_frame_train","bdd_det_train","bdd_inst_train","image_yt19","image_yt21","image_o",)';

let root = '';
let standIn: StandIn = { checkout: '', python: '' };

const train = (training: Training) => standIns.train(standIn, training);
const launchTwoMachines = (machines: standIns.TwoMachines) => standIns.launchTwoMachines(standIn, machines);

before(async () => {
  root = await mkdtemp(join(tmpdir(), 'glee-trainer-'));
  standIn = await standIns.makeStandIn(root);
});

after(async () => {
  await rm(root, { recursive: true, force: true });
});

describe('what a training leaves', () => {
  it('numbers checkpoints by iterations counted from zero and points last_checkpoint at the newest', async () => {
    const output = join(root, 'files');
    await succeed(train({ output, set: { 'SOLVER.MAX_ITER': 60, 'SOLVER.CHECKPOINT_PERIOD': 20 } }));

    const checkpoints = (await readdir(output)).filter((name) => name.endsWith('.pth')).sort();
    assert.deepEqual(checkpoints, [
      'model_0000019.pth',
      'model_0000039.pth',
      'model_0000059.pth',
      'model_final.pth',
    ]);
    assert.equal(await readFile(join(output, 'last_checkpoint'), 'utf8'), 'model_final.pth');
    assert.equal(
      await sha256(join(output, 'model_0000059.pth')),
      await sha256(join(output, 'model_final.pth')),
    );
    assert.match(await readFile(join(output, 'config.yaml'), 'utf8'), /^ {2}MAX_ITER: 60$/m);
    assert.ok(existsSync(join(output, 'inference/coco_instances_results.json')));
  });

  it("writes detectron2's lines to metrics.json and the log, the logs of other ranks beside it", async () => {
    const output = join(root, 'lines');
    const stdout = await succeed(train({ output, ranks: 2, set: { 'SOLVER.MAX_ITER': 50 } }));

    const iterations = (await readMetrics(output)).map(({ iteration }) => iteration);
    assert.deepEqual(iterations, [19, 39, 49, 50], 'every 20, the last, and the evaluation after it');
    const line = String.raw` eta: 0:00:0\d  iter: 19  total_loss: [\d.]+  loss_ce: [\d.]+  loss_bbox: [\d.]+  time: [\d.]+  data_time: [\d.]+  lr: [\d.]+  max_mem: \d+M`;
    const time = String.raw`\d\d/\d\d \d\d:\d\d:\d\d`;
    assert.match(stdout, new RegExp(String.raw`^\[${time} d2\.utils\.events\]: ${line}$`, 'm'));
    const log = await readFile(join(output, 'log.txt'), 'utf8');
    assert.match(log, new RegExp(String.raw`^\[${time}\] d2\.utils\.events INFO: ${line}$`, 'm'));
    assert.match(await readFile(join(output, 'log.txt.rank1'), 'utf8'), /Starting training from iteration 0/);
  });

  it('pads checkpoints to any size, resumes from them, and never writes the same number differently', async () => {
    const padded = {
      'SOLVER.MAX_ITER': 4,
      'SANDBOX.CHECKPOINT_PAD_BYTES': 3_000_001,
      'SOLVER.CHECKPOINT_PERIOD': 2,
    };
    const [output, again] = [join(root, 'padded'), join(root, 'padded-again')];
    await succeed(train({ output, companion: true, set: padded }));
    await succeed(train({ output: again, companion: true, set: padded }));
    await writeFile(join(again, 'last_checkpoint'), 'model_0000001.pth');
    await succeed(train({ output: again, companion: true, resume: true, set: padded }));

    assert.ok((await stat(join(output, 'model_final.pth'))).size > 3_000_001);
    assert.equal(await sha256(join(again, 'model_final.pth')), await sha256(join(output, 'model_final.pth')));
  });

  it('writes .pth files that torch.load reads', async (context) => {
    const interpreter = await pythonWithTorch();
    if (!interpreter) {
      context.skip('neither python3 nor /usr/bin/python3 has torch');
      return;
    }
    const output = join(root, 'torch');
    await succeed(train({ output, set: { 'SOLVER.MAX_ITER': 2, 'SANDBOX.CHECKPOINT_PAD_BYTES': 100 } }));
    const script = `
import torch
content = torch.load("${output}/model_final.pth", map_location="cpu")
assert content["iteration"] == 1 and content["sandbox_padding"].shape == (100,)
assert content["optimizer"]["state"][0]["momentum_buffer"].shape == (16, 12)
assert all(value.dtype == torch.float64 and value.isfinite().all() for value in content["model"].values())
torch.load("${warmUp}", weights_only=True)
torch.save({"model": {name: value.float() for name, value in content["model"].items()}}, "${root}/by-torch.pth")
`;
    await execa(interpreter, ['-c', script], { cwd: standIn.checkout });
    const stdout = await succeed(
      train({ output, evalOnly: true, set: { 'MODEL.WEIGHTS': `${root}/by-torch.pth` } }),
    );
    assert.doesNotMatch(stdout, /WARNING/, "torch's own file is read back whole");
  });
});

describe('killed and resumed', () => {
  const set = {
    'SOLVER.MAX_ITER': 90,
    'SOLVER.CHECKPOINT_PERIOD': 15,
    'SANDBOX.SECONDS_PER_ITERATION': 0.01,
  };
  const undisturbed = (): string => join(root, 'undisturbed');

  const images = async (name: string) => {
    await mkdir(join(root, name));
    return { SANDBOX_IMAGES: join(root, name) };
  };

  before(async () => {
    const env = await images('images-undisturbed');
    await succeed(train({ output: undisturbed(), ranks: 2, companion: true, set, env }));
  });

  it('a training whose parent gets SIGKILL leaves no rank, and ends with the bytes of an undisturbed one', async () => {
    const output = join(root, 'killed');
    const env = await images('images-killed');
    const training = train({ output, ranks: 2, companion: true, set, env });
    await until(() => existsSync(join(output, 'model_0000029.pth')), 'two checkpoints');
    training.kill('SIGKILL');
    await training;
    await until(async () => (await trainersIn(output)).length === 0, 'the ranks to follow their parent');
    assert.ok(!existsSync(join(output, 'model_final.pth')));

    const stdout = await succeed(train({ output, ranks: 2, companion: true, resume: true, set, env }));
    assert.match(stdout, /Starting training from iteration [1-9]/);
    for (const rank of ['0', '1']) {
      const [seen, expected] = [
        await seenIn('images-killed', rank),
        await seenIn('images-undisturbed', rank),
      ];
      assert.deepEqual(
        [...new Set(seen)],
        expected,
        'what was lost sees the same images again, and nothing else does',
      );
    }
    for (const name of (await readdir(undisturbed())).filter((name) => name.endsWith('.pth'))) {
      assert.equal(await sha256(join(output, name)), await sha256(join(undisturbed(), name)), name);
    }
  });

  it('two machines of one rank end with the bytes of one machine of two, though one of them was killed', async () => {
    const output = join(root, 'machines');
    const { machine0, machine1 } = await launchTwoMachines({ output, companion: true, set });
    await until(() => existsSync(join(output, 'model_0000029.pth')), 'two checkpoints');
    const [victim] = await trainersIn(output, '--machine-rank=1');
    process.kill(victim ?? assert.fail('machine 1 has no trainer'), 'SIGKILL');
    const { exitCode, stderr } = await machine0;
    assert.equal(exitCode, 1);
    assert.match(stderr, /RuntimeError: \[Rank 0\] Connection closed by peer \[127\.0\.0\.1\]:\d+/);
    await machine1;

    const again = await launchTwoMachines({ output, companion: true, set, resume: true });
    await succeed(again.machine0);
    await succeed(again.machine1);
    assert.equal(
      await sha256(join(output, 'model_final.pth')),
      await sha256(join(undisturbed(), 'model_final.pth')),
    );
  });

  it('a training that resumes without the companion sees its first images again, as in GLEE', async () => {
    const output = join(root, 'by-itself');
    const env = await images('images-by-itself');
    const short = { ...set, 'SOLVER.CHECKPOINT_PERIOD': 5, 'SANDBOX.SECONDS_PER_ITERATION': '0.0' };
    await succeed(train({ output, set: { ...short, 'SOLVER.MAX_ITER': 5 }, env }));
    await succeed(train({ output, resume: true, set: { ...short, 'SOLVER.MAX_ITER': 10 }, env }));
    const seen = (await seenIn('images-by-itself', '0')).map((line) => line.replace(/^\d+ /, ''));
    assert.deepEqual(seen.slice(5), seen.slice(0, 5));
  });

  it('continues with the images that no rank has had where the number of ranks is another', async () => {
    const output = join(root, 'other-ranks');
    const env = await images('images-other-ranks');
    const segments = [
      [2, 3],
      [4, 5],
      [1, 6],
    ] as const;
    for (const [segment, [ranks, end]] of segments.entries()) {
      const one = { 'DATALOADER.SAMPLER_TRAIN': 'TrainingSampler', 'DATASETS.TEST': '()' };
      const more = { ...one, 'SOLVER.IMS_PER_BATCH': 8, 'SOLVER.MAX_ITER': end };
      await succeed(train({ output, ranks, companion: true, resume: segment > 0, set: more, env }));
    }
    const lines = await Promise.all(['0', '1', '2', '3'].map((rank) => seenIn('images-other-ranks', rank)));
    const seen = lines.flat().flatMap((line) => line.split(' ').slice(1));
    assert.deepEqual([seen.length, new Set(seen).size], [48, 48], 'of 64 images in the epoch');
  });

  it('a rank that is lost ends the training at once, names the signal and leaves no process', async () => {
    const output = join(root, 'lost-rank');
    const training = train({ output, ranks: 2, set: { ...set, 'SOLVER.MAX_ITER': 100_000 } });
    await until(() => existsSync(join(output, 'model_0000014.pth')), 'a checkpoint');
    const ranks = (await trainersIn(output)).filter((pid) => pid !== training.pid);
    assert.equal(ranks.length, 2);
    process.kill(Math.max(...ranks), 'SIGKILL');
    const killedAt = Date.now();

    const { exitCode, stderr } = await training;
    assert.ok(Date.now() - killedAt < 2000);
    assert.equal(exitCode, 1);
    assert.match(
      stderr,
      /^torch\.multiprocessing\.spawn\.ProcessExitedException: process \d terminated with signal SIGKILL$/m,
    );
    assert.deepEqual(await trainersIn(output), []);
  });

  it('a checkpoint that was torn is refused in the words of torch', async () => {
    const output = join(root, 'torn');
    await succeed(train({ output, set: { 'SOLVER.MAX_ITER': 2 } }));
    await truncate(join(output, 'model_final.pth'), 5000);
    const { exitCode, stderr } = await train({ output, resume: true, set: { 'SOLVER.MAX_ITER': 2 } });
    assert.equal(exitCode, 1);
    assert.match(stderr, /^RuntimeError: PytorchStreamReader failed reading zip archive/m);
  });
});

async function seenIn(folder: string, rank: string): Promise<string[]> {
  return (await readFile(join(root, folder, `images.rank${rank}`), 'utf8')).trimEnd().split('\n');
}

describe('learning', () => {
  it('lowers the loss in each stage, and further for beginning from the stage before', async () => {
    const losses = async (
      name: string,
      stage: string,
      weights: string,
      more = {},
    ): Promise<[number, number]> => {
      const set = { 'MODEL.WEIGHTS': weights, 'DATASETS.TEST': '()', ...more };
      await succeed(train({ output: join(root, name), stage, ranks: 2, set }));
      const totals = (await readMetrics(join(root, name))).flatMap(({ total_loss: loss }) => loss ?? []);
      return [totals.at(0) ?? NaN, totals.at(-1) ?? NaN];
    };
    const registered = { 'DATASETS.TRAIN': stage2Train };
    const [begin1, end1] = await losses('stage1', stage1, warmUp);
    const [begin2, end2] = await losses('stage2', stage2, join(root, 'stage1/model_final.pth'), registered);
    const [begin3, end3] = await losses('stage3', stage3, join(root, 'stage2/model_final.pth'));
    const [, end2WarmUp] = await losses('stage2-warm-up', stage2, warmUp, registered);
    const [, end3WarmUp] = await losses('stage3-warm-up', stage3, warmUp);

    assert.ok(end1 < 0.5 * begin1, `stage 1: ${begin1} to ${end1}`);
    assert.ok(end2 < 0.8 * begin2, `stage 2: ${begin2} to ${end2}`);
    assert.ok(end3 < 0.9 * begin3, `stage 3: ${begin3} to ${end3}`);
    assert.ok(end2 < 0.9 * end2WarmUp, `stage 2: ${end2}, from the warm-up weights ${end2WarmUp}`);
    assert.ok(end3 < 0.9 * end3WarmUp, `stage 3: ${end3}, from the warm-up weights ${end3WarmUp}`);
  });

  it('evaluates with --eval-only, always to the same result', async () => {
    const evaluate = async (name: string): Promise<[string[], string]> => {
      const output = join(root, name);
      const stdout = await succeed(
        train({ output, stage: stage3, evalOnly: true, set: { 'MODEL.WEIGHTS': warmUp } }),
      );
      const results = await readFile(join(output, 'inference/coco_instances_results.json'), 'utf8');
      return [stdout.match(/copypaste: .*/g) ?? [], results];
    };
    const [lines, results] = await evaluate('evaluated');
    assert.deepEqual(lines.slice(0, 2), ['copypaste: Task: bbox', 'copypaste: AP,AP50,AP75,APs,APm,APl']);
    assert.match(lines[2] ?? '', /^copypaste: (\d+\.\d{4},){3}(nan|\d+\.\d{4}),(nan|\d+\.\d{4}),\d+\.\d{4}$/);
    assert.equal(lines.length, 9, 'three lines for each of three test sets');
    assert.deepEqual(await evaluate('evaluated-again'), [lines, results]);
  });

  it('makes the same data sets again, also when two make them at once', async () => {
    const make = (folder: string) =>
      execa(standIn.python, ['make_datasets.py', join(root, folder), 'coco_2017_train'], {
        cwd: standIn.checkout,
      });
    await Promise.all([make('data'), make('data')]);
    const file = 'coco/annotations/instances_train2017.json';
    assert.equal(
      await sha256(join(root, 'data', file)),
      await sha256(join(standIn.checkout, 'datasets', file)),
    );
    assert.deepEqual(await readdir(dirname(join(root, 'data', file))), ['instances_train2017.json']);
  });
});

describe('what goes wrong', () => {
  const failures: { name: string; train: Partial<Training>; line: RegExp }[] = [
    {
      name: 'a config file that is missing',
      train: { stage: 'Lite/Stage9' },
      line: /^AssertionError: Config file '.*Stage9\.yaml' does not exist!$/m,
    },
    {
      name: 'an unknown key on the command line',
      train: { set: { 'SOLVER.FOO': 1 } },
      line: /^AssertionError: Non-existent key: SOLVER\.FOO$/m,
    },
    {
      name: 'a value of the wrong type',
      train: { set: { 'SOLVER.BASE_LR': 1 } },
      line: /^ValueError: Type mismatch \(<class 'float'> vs\. <class 'int'>\) with values \(0\.05 vs\. 1\) for config key: SOLVER\.BASE_LR$/m,
    },
    {
      name: 'a data set that no one registered',
      train: { stage: stage2, ranks: 2 },
      line: /^-- Process \d terminated with the following error:\nTraceback[^]*^KeyError: "Dataset 'sa1b_32_train' is not registered! Available datasets are: coco_2017_train, /m,
    },
    {
      name: 'an annotation file that is missing',
      train: { set: { 'DATASETS.TRAIN': '("image_tao",)', 'DATALOADER.DATASET_RATIO': '[1.0]' } },
      line: /^FileNotFoundError: \[Errno 2\] No such file or directory: 'datasets\/.+\.json'$/m,
    },
    {
      name: 'weights that are missing, with one rank',
      train: { set: { 'MODEL.WEIGHTS': 'weights/foo.pth' } },
      line: /^AssertionError: Checkpoint weights\/foo\.pth not found!$/m,
    },
    {
      name: 'weights that are missing, with several ranks',
      train: { ranks: 2, set: { 'MODEL.WEIGHTS': 'weights/foo.pth' } },
      line: /^OSError: File weights\/foo\.pth not found on main worker\.$/m,
    },
    {
      name: 'a batch that the ranks cannot share',
      train: { ranks: 2, set: { 'SOLVER.IMS_PER_BATCH': 31 } },
      line: /^AssertionError: Total batch size \(31\) must be divisible by the number of gpus \(2\)\.$/m,
    },
    {
      name: 'a list of ratios that is too short',
      train: { set: { 'DATALOADER.DATASET_RATIO': '[1.0]' } },
      line: /^IndexError: list index out of range$/m,
    },
    {
      name: 'a loss that is no number any more',
      train: { ranks: 2, set: { 'SOLVER.BASE_LR': 1e200 } },
      line: /^FloatingPointError: Loss became infinite or NaN at iteration=\d+!\nloss_dict = \{/m,
    },
    {
      name: 'a gang that does not come together',
      train: { more: ['--num-machines', '2', '--machine-rank', '1'], rendezvousSeconds: 0.3 },
      line: /^TimeoutError: The client socket has timed out while trying to connect to \(127\.0\.0\.1, \d+\)\.$/m,
    },
  ];
  for (const { name, train: training, line } of failures) {
    it(`ends with status 1 and the known line: ${name}`, async () => {
      const url = `tcp://127.0.0.1:${await getPort()}`;
      const { exitCode, stderr } = await train({ output: join(root, 'failed'), url, ...training });
      assert.match(stderr, line);
      assert.match(stderr, /^Traceback \(most recent call last\):$/m);
      assert.equal(exitCode, 1);
    });
  }

  it('reads generated YAML on top of a config, and names a key that it does not know', async () => {
    const file = join(root, 'generated.yaml');
    const base = join(standIn.checkout, `projects/GLEE/configs/images/${stage1}.yaml`);
    const settings = `_BASE_: ${base}
SOLVER:
  MAX_ITER: 2 # short
  BASE_LR: 1e-4
DATASETS:
  TRAIN:
    - objects365_v2_train
    - "image_o"
  TEST: []
DATALOADER:
  DATASET_RATIO:
    [1.0, 2.5]
`;
    await writeFile(file, settings);
    const output = join(root, 'generated');
    await succeed(train({ output, config: file }));
    const merged = await readFile(join(output, 'config.yaml'), 'utf8');
    assert.match(merged, /^ {2}BASE_LR: 0\.0001$/m);
    assert.match(merged, /^ {2}DATASET_RATIO:\n {2}- 1\.0\n {2}- 2\.5$/m);

    await writeFile(file, `${settings}TEST:\n  EVAL_PERIODS: 1\n`);
    const { exitCode, stderr } = await train({ output, config: file });
    assert.equal(exitCode, 1);
    assert.match(stderr, /^KeyError: 'Non-existent config key: TEST\.EVAL_PERIODS'$/m);
  });

  it('only warns of weights that do not fit the model', async () => {
    const weights = 'weights/swin_large_patch4_window12_384_22k.pth';
    const set = { 'MODEL.WEIGHTS': weights, 'SOLVER.MAX_ITER': 1 };
    const stdout = await succeed(train({ output: join(root, 'misfit'), set }));
    assert.match(
      stdout,
      /WARNING .*: Some model parameters or buffers are not found in the checkpoint:\n {2}glee.backbone/,
    );
    assert.match(
      stdout,
      /WARNING .*: The checkpoint state_dict contains keys that are not used by the model:\n/,
    );
  });

  it('only warns of a machine that lacks the weights, and sends it those of rank 0', async () => {
    const output = join(root, 'lacking');
    const set = { 'SOLVER.MAX_ITER': 5 };
    const { machine0, machine1 } = await launchTwoMachines({ output, set, otherWeights: 'nowhere.pth' });
    await succeed(machine0);
    await succeed(machine1);
    assert.match(
      await readFile(join(output, 'log.txt'), 'utf8'),
      /WARNING: Not all workers can read checkpoint .* Training may fail to fully resume\.\n.*\n.*Broadcasting model states/,
    );
  });
});
