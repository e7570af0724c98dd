import assert from 'node:assert/strict';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { execa } from 'execa';
import { z } from 'zod';
import { parseEvaluation } from '../../activities/training/evaluation/parse-evaluation.ts';
import { packageRoot } from '../../planning/environment/package-root.ts';
import type { DatasetPlan } from '../../contracts/datasets.ts';
import { fixture, PYTHON } from '../activities/training/jobs.ts';
import { DETECTRON2_PYTHON, withoutDetectron2 } from './detectron2-python.ts';

const toldSchema = z.record(
  z.string(),
  z.object({
    images: z.array(z.number()),
    file: z.string(),
    tasks: z.array(z.string()),
    classes: z.array(z.string()),
    evaluator: z.string(),
    words: z.array(z.string()),
    counts: z.array(z.number()),
    boxesAlone: z.array(z.boolean()),
    prepared: z.array(z.string()),
    embedded: z.array(z.number()),
  }),
);

const FOLDER = 'odinw/dataset/CottontailRabbits/train';
const RABBITS: DatasetPlan = {
  name: 'odinw13_Rabbits_train',
  annotations: `${FOLDER}/annotations_without_background.json`,
  images: FOLDER,
  task: 'odinw13_Rabbits',
};
const MASKS: DatasetPlan = {
  ...RABBITS,
  name: 'own_masks_train',
  annotations: 'masks.json',
  task: 'own_masks',
};
const NAMES = Array.from({ length: 8 }, (_, index) => `category ${index + 1}`);

describe("declared data sets in detectron2's own catalogues", { skip: withoutDetectron2 }, () => {
  let root = '';
  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'glee-d2-datasets-'));
    const sandbox = join(packageRoot, 'sandbox/glee');
    await mkdir(join(root, 'projects/GLEE'), { recursive: true });
    await cp(fixture('detectron2-datasets.py'), join(root, 'projects/GLEE/train_net.py'));
    await execa(PYTHON, ['make_datasets.py', join(root, 'data')], { cwd: sandbox });
    const { annotations, ...rest } = z
      .looseObject({ annotations: z.array(z.looseObject({})) })
      .parse(JSON.parse(await readFile(join(root, 'data', RABBITS.annotations), 'utf8')));
    const segmentation = [[1, 1, 9, 1, 9, 9]];
    const masked = annotations.map((one) => ({ ...one, segmentation }));
    await writeFile(join(root, 'data/masks.json'), JSON.stringify({ ...rest, annotations: masked }));
  });
  after(() => rm(root, { recursive: true, force: true }));

  async function tell(declared: readonly DatasetPlan[]) {
    const file = join(root, 'datasets.json');
    await writeFile(file, JSON.stringify(declared));
    await writeFile(join(root, 'names.json'), JSON.stringify(declared.map(({ name }) => name)));
    const env = { DETECTRON2_DATASETS: join(root, 'data'), GLEE_DATASETS_FILE: file, OMP_NUM_THREADS: '1' };
    const companion = join(packageRoot, 'trainer/companion.py');
    const end = await execa(DETECTRON2_PYTHON, [companion], { cwd: root, env, reject: false, all: true });
    assert.equal(end.exitCode, 0, end.all);
    const line = /^told (.*)$/m.exec(end.stdout)?.[1] ?? '{}';
    return { told: toldSchema.parse(JSON.parse(line)), output: end.all };
  }

  it("are read by its loader, and known in every place where GLEE's model has a table of tasks", async () => {
    const { told } = await tell([RABBITS, { ...MASKS, words: NAMES.map((name) => `a ${name}`) }]);
    const { images: all, ...rabbits } = told[RABBITS.name] ?? assert.fail();
    assert.equal(all.length, 64);
    assert.deepEqual(rabbits, {
      file: join(root, 'data', FOLDER, '000000000001.jpg'),
      tasks: ['odinw13_Rabbits'],
      classes: NAMES,
      evaluator: 'coco',
      words: NAMES.map(() => 'rabbits'),
      counts: [8, 8, 8],
      boxesAlone: [true, true],
      prepared: ['bdd_det', 'coco'],
      embedded: [8, 4],
    });
    const { words, boxesAlone, prepared, counts } = told[MASKS.name] ?? assert.fail();
    assert.deepEqual(words[0], 'a category 1');
    assert.deepEqual(boxesAlone, [false, false]);
    assert.deepEqual(prepared, ['own_masks', 'coco']);
    assert.deepEqual(counts, [8, 8, 8]);
  });

  it('give the images that any Python draws: so many of each category, and no more than are needed', async () => {
    const declared = [1, 3, 5, 10].map((shots) => {
      const fewShot = { shots, seed: 7 };
      return { ...RABBITS, name: `odinw13_Rabbits_train_${shots}`, fewShot };
    });
    const { told } = await tell(declared);
    const { stdout } = await execa(PYTHON, ['-c', REDRAW], {
      cwd: join(packageRoot, 'trainer'),
      input: await readFile(join(root, 'data', RABBITS.annotations), 'utf8'),
      env: { PYTHONHASHSEED: '1' },
    });
    const drawn = z.record(z.string(), z.array(z.number())).parse(JSON.parse(stdout));
    for (const { name, fewShot } of declared) {
      const images = told[name]?.images;
      assert.deepEqual(images, drawn[String(fewShot.shots)], name);
      assert.ok(images !== undefined && images.length >= fewShot.shots && images.length <= fewShot.shots * 8);
    }
    assert.deepEqual(drawn['1'], FIRST_DRAW, 'written down: a later version draws the same');
  });

  it('are evaluated to lines that are read as print_csv_format writes them', async () => {
    const { output } = await tell([RABBITS]);
    assert.deepEqual(parseEvaluation(output), [
      { dataset: 'a', metric: 'bbox/AP', value: 41.5 },
      { dataset: 'a', metric: 'bbox/AP50', value: 60.25 },
    ]);
  });
});

/** By the documented rule, written once more. */
const REDRAW = `
import hashlib, json, sys
content = json.load(sys.stdin)
held = {image["id"]: set() for image in content["images"]}
for one in content["annotations"]:
    held[one["image_id"]].add(one["category_id"])
result = {}
for shots in (1, 3, 5, 10):
    name = f"odinw13_Rabbits_train_{shots}"
    order = sorted(held, key=lambda image: hashlib.sha256(f"7/{name}/{image}".encode()).hexdigest())
    taken = []
    for category in sorted(set().union(*held.values())):
        for image in order:
            if category in held[image] and image not in taken:
                if sum(category in held[one] for one in taken) < shots:
                    taken.append(image)
    result[shots] = sorted(taken)
print(json.dumps(result))
`;
const FIRST_DRAW = [23, 36, 60];
