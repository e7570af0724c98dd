/**
 * @module `convert`: the EVA-02 conversion of 1.2 GB in 300 tensors, by the command `glee weights convert`, by the same
 * steps in torch, and what a plain copy of the file takes. None of them waits for the disk.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { packageRoot } from '../planning/environment/package-root.ts';
import { pythonWithTorch } from '../sandbox/torch-python.ts';
import { loadText } from './machine.ts';
import type { Bench, BenchOptions, Case } from './measure.ts';

const CASES = {
  wall: 'seconds of the whole command, against the same steps in Python with torch',
  copy: 'seconds of the whole command, against cp of the same file',
  'peak-memory': 'mebibytes resident at most, against the same steps in Python with torch',
};

const MAKE = `import sys, torch
torch.save({"model": {f"blocks.{i}.weight": torch.randn(1000, 1000) for i in range(300)}}, sys.argv[1])`;
const SAME_STEPS = `import sys, torch
state = torch.load(sys.argv[1], map_location="cpu")["model"]
torch.save({"model": {"net." + k: v.detach() for k, v in state.items() if ".rope" not in k}}, sys.argv[2])`;
/** Ends with an error unless the second file has the first one's tensors under the names that the script gives them. */
const SAME_TENSORS = `import sys, torch
source = torch.load(sys.argv[1], map_location="cpu")["model"]
ours = torch.load(sys.argv[2], map_location="cpu", weights_only=True)["model"]
assert list(ours) == ["net." + name for name in source] and len(ours) == 300, "other names"
for name, value in source.items():
    assert ours["net." + name].dtype == value.dtype and torch.equal(ours["net." + name], value), name`;

/** Runs a command, and writes the largest resident set of it and its children, in KiB, to the file named first. */
const MEASURED = `import resource, subprocess, sys
subprocess.run(sys.argv[2:], check=True, stdout=subprocess.DEVNULL)
open(sys.argv[1], "w").write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))`;

export const convert: Bench = {
  about: 'EVA-02 conversion of 1.2 GB in 300 fp32 tensors, without torch and with it',
  cases: CASES,
  run: measureConvert,
};

interface Measured {
  readonly seconds: number;
  readonly mebibytes: number;
}

interface Round {
  readonly ours: Measured;
  readonly theirs: Measured | undefined;
  readonly copy: Measured | undefined;
}

async function measureConvert({ runs, withPeer, signal, progress }: BenchOptions): Promise<readonly Case[]> {
  const torch = await pythonWithTorch();
  if (torch === undefined)
    throw new Error('no Python here has torch, which makes the file (Debian: python3-torch)');
  const folder = await mkdtemp(join(tmpdir(), 'glee-bench-convert-'));
  const at = (name: string) => join(folder, name);
  const rounds: Round[] = [];
  try {
    progress('making 1.2 GB of weights');
    await execa(torch, ['-c', MAKE, at('in.pt')], { cancelSignal: signal });
    const glee = [process.execPath, join(packageRoot, 'dist/cli/glee.js'), 'weights', 'convert'];
    const measure = async (name: string, ...command: readonly string[]): Promise<Measured> => {
      await rm(at(name), { force: true });
      // What the one before left for the disk must not be paid by the next.
      await execa('sync');
      const began = performance.now();
      await execa('python3', ['-c', MEASURED, at('memory'), ...command], { cancelSignal: signal });
      const seconds = (performance.now() - began) / 1000;
      return { seconds, mebibytes: Number(await readFile(at('memory'), 'utf8')) / 1024 };
    };
    // Once unmeasured: all three then read the file from the kernel's cache.
    await measure('warm', 'cp', at('in.pt'), at('warm'));
    for (let run = 1; run <= runs; run += 1) {
      progress(`round ${run} of ${runs}; ${loadText()}`);
      const ours = await measure('ours', ...glee, at('in.pt'), at('ours'));
      const theirs = withPeer
        ? await measure('theirs', torch, '-c', SAME_STEPS, at('in.pt'), at('theirs'))
        : undefined;
      const copy = withPeer ? await measure('copy', 'cp', at('in.pt'), at('copy')) : undefined;
      // The time of a wrong file says nothing.
      if (run === 1)
        await execa(torch, ['-c', SAME_TENSORS, at('in.pt'), at('ours')], { cancelSignal: signal });
      rounds.push({ ours, theirs, copy });
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return casesOf(rounds);
}

function casesOf(rounds: readonly Round[]): readonly Case[] {
  const all = (pick: 'ours' | 'theirs' | 'copy', figure: keyof Measured) =>
    rounds.flatMap((round) => (round[pick] === undefined ? [] : [round[pick][figure]]));
  const seconds = { bench: 'convert', unit: 's', ours: all('ours', 'seconds') };
  return [
    { ...seconds, case: 'wall', peer: all('theirs', 'seconds'), peerName: 'torch' },
    { ...seconds, case: 'copy', peer: all('copy', 'seconds'), peerName: 'cp' },
    {
      bench: 'convert',
      case: 'peak-memory',
      unit: 'MiB',
      ours: all('ours', 'mebibytes'),
      peer: all('theirs', 'mebibytes'),
      peerName: 'torch',
    },
  ];
}
