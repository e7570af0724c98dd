/** What the worker's bundle exports: these names are wire names, and a renamed one strands running histories. */
export { evaluate } from './evaluate.ts';
export { fineTune } from './fine-tune.ts';
export { fineTuneSweep } from './fine-tune-sweep.ts';
export { gpuPool } from './gpu-pool.ts';
export { jointTraining } from './joint-training.ts';
export { prepareArtifact } from './prepare-artifact.ts';
export { prepareWeights } from './prepare-weights.ts';
export { scheduledRun } from './scheduled-run.ts';
export { trainStage } from './train-stage.ts';
