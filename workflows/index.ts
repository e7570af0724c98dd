/** What the worker's bundle exports: these names are wire names, and a renamed one strands running histories. */
export { evaluate } from './run/evaluate.ts';
export { fineTune } from './run/fine-tune.ts';
export { fineTuneSweep } from './sweep/fine-tune-sweep.ts';
export { gpuPool } from './pool/gpu-pool.ts';
export { jointTraining } from './run/joint-training.ts';
export { prepareArtifact } from './run/prepare-artifact.ts';
export { prepareWeights } from './run/prepare-weights.ts';
export { scheduledRun } from './schedule/scheduled-run.ts';
export { trainStage } from './stage/train-stage.ts';
