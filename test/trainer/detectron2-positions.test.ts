import assert from 'node:assert/strict';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { execa } from 'execa';
import { z } from 'zod';
import { packageRoot } from '../../planning/environment/package-root.ts';
import { fixture } from '../activities/training/jobs.ts';
import { DETECTRON2_PYTHON, withoutDetectron2 } from './detectron2-python.ts';

const rankSchema = z.object({ batches: z.array(z.array(z.number())), crops: z.array(z.number()) });
const toldSchema = z.array(
  z.object({ order: z.array(z.number()), starts: z.array(z.array(rankSchema)) }).readonly(),
);
type Told = z.infer<typeof toldSchema>[number];

interface Scenario {
  readonly loader: 'batches' | 'grouped' | 'repeated' | 'subset' | 'glee' | 'odd';
  readonly workers: number;
  readonly batch: number;
  /** [ranks, iterations] of each, and its SEED where that is not the same. */
  readonly starts: readonly (readonly [number, number, number?])[];
}

/** A bucket for each of two orientations, each of two data sets, on each rank. */
const MOST_HELD = 4 * 12;

describe(
  "the images that a resumed training sees, in detectron2's and GLEE's loaders",
  {
    skip: withoutDetectron2,
  },
  () => {
    let folder = '';
    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'glee-positions-'));
      await cp(fixture('detectron2-positions.py'), join(folder, 'positions.py'));
      await cp(fixture('detectron2-loaders.py'), join(folder, 'loaders.py'));
      await cp(fixture('glee-loader.py'), join(folder, 'glee_loader.py'));
    });
    after(() => rm(folder, { recursive: true, force: true }));

    async function tell(scenarios: readonly Scenario[]): Promise<{ told: readonly Told[]; stderr: string }> {
      const args = [
        join(folder, 'positions.py'),
        join(packageRoot, 'trainer'),
        JSON.stringify(scenarios.map(withSeeds)),
      ];
      const { stdout, stderr } = await execa(DETECTRON2_PYTHON, args, { env: { OMP_NUM_THREADS: '1' } });
      return { told: toldSchema.parse(JSON.parse(/^told (.*)$/m.exec(stdout)?.[1] ?? '')), stderr };
    }

    it('are those of a training that was not interrupted, on each rank and in each batch', async () => {
      const kinds = (['batches', 'grouped', 'glee'] as const).flatMap((loader) => [
        { loader, workers: 0, ranks: 1 },
        { loader, workers: 2, ranks: 2 },
      ]);
      const others = (['repeated', 'subset'] as const).map((loader) => ({ loader, workers: 0, ranks: 2 }));
      const all = [...kinds, ...others];
      const { told } = await tell(
        all.flatMap(({ loader, workers, ranks }) => [
          { loader, workers, batch: 12, starts: [[ranks, 40]] },
          // The first start's seed counts.
          { loader, workers, batch: 12, starts: [[ranks, 5], [ranks, 1, 8], [ranks, 13, 9], [ranks, 21, 7]] }, // prettier-ignore
        ]),
      );
      for (const [index, { loader, workers, ranks }] of all.entries()) {
        const [whole, parts] = [told[2 * index], told[2 * index + 1]];
        assert.ok(whole !== undefined && parts !== undefined);
        for (const rank of Array(ranks).keys()) {
          assert.deepEqual(batchesOf(parts, rank), batchesOf(whole, rank), `${loader}, ${workers} workers`);
        }
      }
    });

    it('are 90 different ones in three starts of 30 iterations', async () => {
      const { told } = await tell([
        { loader: 'batches', workers: 0, batch: 1, starts: [[1, 30], [1, 30], [1, 30]] }, // prettier-ignore
      ]);
      assert.equal(new Set(told.flatMap(imagesOf)).size, 90);
    });

    it('are the next ones that no rank has had, where the number of ranks or workers is another', async () => {
      const starts = [[2, 5], [3, 4], [1, 7], [2, 4]] as const; // prettier-ignore
      const { told } = await tell([
        { loader: 'batches', workers: 2, batch: 12, starts },
        { loader: 'grouped', workers: 0, batch: 12, starts },
        { loader: 'glee', workers: 0, batch: 12, starts },
      ]);
      for (const [index, one] of told.entries()) {
        const images = imagesOf(one);
        const held = index === 0 ? 0 : MOST_HELD;
        const first = counted(one.order.slice(0, images.length + held));
        for (const [image, times] of counted(images)) {
          assert.ok(times <= (first.get(image) ?? 0), `image ${image} of scenario ${index} comes too often`);
        }
      }
    });

    it('have other crops at each start, although SEED is the same', async () => {
      const starts = [[1, 6], [1, 6], [1, 6]] as const; // prettier-ignore
      const { told } = await tell([0, 2].map((workers) => ({ loader: 'glee', workers, batch: 12, starts })));
      for (const one of told) {
        const crops = one.starts.flatMap(([rank]) => rank?.crops ?? []);
        assert.equal(new Set(crops).size, crops.length);
      }
    });

    it("begin with the first again, with one line of it, where a fork's sampler is none that it knows", async () => {
      const starts = [[2, 2], [2, 2]] as const; // prettier-ignore
      const { told, stderr } = await tell([{ loader: 'odd', workers: 0, batch: 4, starts }]);
      const [first, second] = told[0]?.starts ?? [];
      assert.deepEqual(
        second,
        first && second && first.map((rank, index) => ({ ...rank, crops: second[index]?.crops })),
      );
      assert.deepEqual(stderr.match(/^glee: .*$/gm), [
        "glee: the companion does without the sampler's position: LookupError: OddSampler is none of detectron2's or GLEE's",
      ]);
    });
  },
);

function withSeeds(scenario: Scenario) {
  return {
    ...scenario,
    starts: scenario.starts.map(([ranks, iterations, seed = 7]) => [ranks, iterations, seed]),
  };
}

function batchesOf({ starts }: Told, rank: number): number[][] {
  return starts.flatMap((ranks) => ranks[rank]?.batches ?? []);
}

function imagesOf({ starts }: Told): number[] {
  return starts.flatMap((ranks) => ranks.flatMap(({ batches }) => batches.flat()));
}

function counted(images: readonly number[]): Map<number, number> {
  const counts = new Map<number, number>();
  for (const image of images) counts.set(image, (counts.get(image) ?? 0) + 1);
  return counts;
}
