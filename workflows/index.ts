/** What the worker's bundle exports: these names are wire names, and a renamed one strands running histories. */
export { gpuPool } from './gpu-pool.ts';
export { jointTraining } from './joint-training.ts';
export { prepareArtifact } from './prepare-artifact.ts';
export { prepareWeights } from './prepare-weights.ts';
export { trainStage } from './train-stage.ts';
