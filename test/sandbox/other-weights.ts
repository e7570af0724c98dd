/** @module Weights files that fit the sandbox's model less than its own do. */
import { join } from 'node:path';
import { execa } from 'execa';
import { temporaryFolder } from '../fixtures/glee-checkout.ts';
import type { TestContext } from 'node:test';
import type { StandIn } from './stand-in.ts';

/** Python's expression for what becomes of a key and its tensor. */
const CHANGES = {
  /** All under another prefix, as a wrong conversion leaves them: nothing fits. */
  renamed: '(f"module.net.{key}", tensor)',
  /** Tensors of two dimensions lie the other way round: of the model's 916 parameters, the 52 of its biases fit. */
  turned: '(key, Tensor.of(tensor.shape[::-1], tensor.values()))',
  /** The backbone, 208 parameters of 916, is not in it. */
  headOnly: '(key, tensor) if key.startswith("glee.predictor") else None',
} as const;

/** Writes the sandbox's initial weights, changed, and gives their path. */
export async function otherWeights(
  test: TestContext,
  { checkout, python }: StandIn,
  change: keyof typeof CHANGES,
): Promise<string> {
  const path = join(await temporaryFolder(test), `${change}.pth`);
  const script = `
from sandbox_trainer.torch_file import Tensor, load, save
model = load("weights/converted_maskdino_r50_withoutclip.pth")["model"]
changed = [${CHANGES[change]} for key, tensor in model.items()]
save({"model": dict(filter(None, changed))}, "${path}")
`;
  await execa(python, ['-c', script], { cwd: checkout });
  return path;
}
