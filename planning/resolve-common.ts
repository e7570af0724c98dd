/** @module What resolving a joint training and a fine-tune have in common. */
import { runIdProblem } from '../contracts/ids.ts';
import type { Problem, StagePlan } from '../contracts/plan.ts';
import type { ArtifactPlan } from '../contracts/weights.ts';
import { loadCatalogue, preferCheckout, withIngredients, type Catalogue } from './artifact-catalog.ts';
import { checksumOnce, inspectCheckout, knownKeys } from './glee/checkout.ts';
import { loadDatasets } from './glee/dataset-catalog.ts';
import { defaultConfigDirectory } from './load-config.ts';
import { ConfigError } from './reading/problems.ts';
import type { FindArtifact } from './resolve-weights.ts';
import type { Surroundings } from './resolve-stage.ts';
import type { YamlSource } from './reading/yaml-source.ts';

export interface ResolveInput {
  readonly run: string;
  /** Name of the config, as `joint/lite`. */
  readonly config: string;
  /** Folder with the configs. @default the package's own */
  readonly configDirectory?: string;
  /** Folder of the GLEE checkout on this machine. */
  readonly checkout: string;
  /** The Python that trains. @default the checkout's code is not asked for its keys */
  readonly python?: string;
  /** Final weights of a stage that another run has finished, or a checkpoint of it. */
  readonly findArtifact: FindArtifact;
}

/** What was loaded, or why it could not be. */
export interface Loaded<T> {
  readonly value: T | undefined;
  readonly problems: readonly Problem[];
}

export async function problemsOf<T>(loading: Promise<T>): Promise<Loaded<T>> {
  try {
    return { value: await loading, problems: [] };
  } catch (error) {
    if (error instanceof ConfigError) return { value: undefined, problems: error.problems };
    throw error;
  }
}

function loadCatalogueFor({
  checkout,
  configDirectory = defaultConfigDirectory,
}: ResolveInput): Promise<Loaded<Catalogue>> {
  return problemsOf(loadCatalogue(configDirectory).then((found) => preferCheckout(found, checkout)));
}

async function surroundingsOf(
  { checkout, findArtifact, python }: ResolveInput,
  catalogue: Catalogue,
): Promise<Surroundings> {
  const [known, datasets] = [await knownKeys(checkout, python), await loadDatasets()];
  return { checkout, known, datasets, catalogue, findArtifact, checksum: checksumOnce() };
}

/** What all plans from one folder of configs and one checkout share. */
export interface Ground {
  /** Undefined where a problem keeps it from being known. */
  readonly surroundings: Surroundings | undefined;
  readonly problems: readonly Problem[];
}

export async function groundOf(input: ResolveInput): Promise<Ground> {
  const catalogue = await loadCatalogueFor(input);
  const checkout = await inspectCheckout(input.checkout);
  const problems = [...catalogue.problems, ...checkout.problems];
  if (catalogue.value === undefined || !checkout.usable) return { surroundings: undefined, problems };
  return { surroundings: await surroundingsOf(input, catalogue.value), problems };
}

export function runProblems(run: string): readonly Problem[] {
  const message = runIdProblem(run);
  return message === undefined ? [] : [{ level: 'error', file: '', key: 'run', message }];
}

/** Problems in the user's own config, with the lines where their keys stand. */
export function withLines(problems: readonly Problem[], source: YamlSource): readonly Problem[] {
  return problems.map((problem) => {
    const line = problem.file === source.file ? (problem.line ?? source.lineOf(problem.key)) : undefined;
    return line === undefined ? problem : { ...problem, line };
  });
}

/** Which artifacts the stages need follows from the plan: initial weights, and files that GLEE opens by itself. */
export function neededArtifacts(stages: readonly StagePlan[], catalogue: Catalogue): readonly ArtifactPlan[] {
  const names = stages.flatMap(({ weights, files = [] }) => [
    ...(weights.kind === 'prepared' ? [weights.artifact] : []),
    ...files.map(({ artifact }) => artifact),
  ]);
  return withIngredients(names, catalogue);
}
