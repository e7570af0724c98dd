/** @module The catalogue of artifacts: the package's own and, on top of it, the user's. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { z } from 'zod';
import { RUN_ID_PATTERN } from '../contracts/ids.ts';
import { STAGES, type Problem } from '../contracts/plan.ts';
import { unprovenProblem } from '../contracts/sources.ts';
import { ingredients, type ArtifactPlan, type Recipe } from '../contracts/weights.ts';
import { hasFile } from './glee/checkout.ts';
import { packageRoot, shownPath } from './environment/package-root.ts';
import { checkoutPathProblem } from './validations/path-validations.ts';
import { ConfigError, didYouMean } from './reading/problems.ts';
import { schemaProblems } from './reading/schema-problems.ts';
import { readConfigText } from './reading/small-file.ts';
import { sourceProblem } from './validations/source-validations.ts';
import { parseYamlSource } from './reading/yaml-source.ts';

const FILE = 'artifacts.yaml';

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'is not a SHA-256: 64 digits from 0-9 and a-f');
const name = z.string().regex(RUN_ID_PATTERN, "is no artifact's name: letters, digits and . _ - only");
const addressed = z.string().superRefine((source, context) => {
  const problem = sourceProblem(source);
  if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
});

const entrySchema = z
  .strictObject({
    path: z.string().superRefine((path, context) => {
      const problem = checkoutPathProblem(path);
      if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
    }),
    sha256: sha256.optional(),
    trusted: z.literal(true).optional(),
    download: z.union([addressed, z.array(addressed).min(1)]).optional(),
    convert: z
      .strictObject({
        from: name,
        drop: z.array(z.string().min(1)).default([]),
        prefix: z.string().default(''),
      })
      .optional(),
    merge: z
      .strictObject({
        base: name,
        except: z.string().min(1),
        from: name,
        under: z.string().default(''),
        as: z.string().default(''),
      })
      .optional(),
    trained: z
      .strictObject({ run: z.string().regex(RUN_ID_PATTERN, 'is not a run id'), stage: z.enum(STAGES) })
      .optional(),
  })
  .refine(
    ({ download, convert, merge, trained }) =>
      [download, convert, merge, trained].filter((way) => way !== undefined).length === 1,
    'must say how it is had, in one way: download, convert, merge or trained',
  )
  .refine(
    ({ download, sha256: checksum }) => checksum === undefined || download !== undefined,
    'has a sha256, which only goes with download: what is made here follows from what it is made of',
  )
  .refine(
    ({ trusted, sha256: checksum }) => trusted === undefined || checksum !== undefined,
    'is trusted without a sha256: no one can vouch for a file that may be another one tomorrow',
  )
  .superRefine(({ download = [], sha256: checksum }, context) => {
    const problem = unprovenProblem([download].flat(), checksum);
    if (problem !== undefined) context.addIssue({ code: 'custom', path: ['download'], message: problem });
  });

const fileSchema = z.strictObject({ artifacts: z.record(name, entrySchema) });

export type Catalogue = ReadonlyMap<string, ArtifactPlan>;

/**
 * Reads the catalogue: the package's own, with the artifacts.yaml of `directory` laid over it.
 * @throws ConfigError with all that is wrong with it.
 */
export async function loadCatalogue(directory: string): Promise<Catalogue> {
  const own = join(packageRoot, 'configs', FILE);
  const users = join(directory, FILE);
  const files = own === users ? [own] : [own, users];
  const catalogue = new Map<string, ArtifactPlan>();
  for (const path of files) {
    for (const artifact of await readFileEntries(path)) catalogue.set(artifact.name, artifact);
  }
  const problems = [...catalogue.values()].flatMap((artifact) =>
    ingredientProblems(artifact, catalogue, users),
  );
  if (problems.length > 0) throw new ConfigError(problems);
  return catalogue;
}

/** The catalogue with a file that a person has put where GLEE looks in the place of any other way to have it. */
export async function preferCheckout(catalogue: Catalogue, checkout: string): Promise<Catalogue> {
  const entries = [...catalogue.values()].map(async (artifact): Promise<[string, ArtifactPlan]> => {
    if (!(await hasFile(checkout, artifact.path))) return [artifact.name, artifact];
    const sources = [pathToFileURL(join(checkout, artifact.path)).href];
    const { recipe } = artifact;
    if (recipe.how === 'download') return [artifact.name, { ...artifact, recipe: { ...recipe, sources } }];
    return [artifact.name, { ...artifact, recipe: { how: 'download', sources } }];
  });
  return new Map(await Promise.all(entries));
}

/** The artifact and all that it is made from, what is needed first standing first. */
export function withIngredients(names: Iterable<string>, catalogue: Catalogue): readonly ArtifactPlan[] {
  const found = new Map<string, ArtifactPlan>();
  const add = (wanted: string): void => {
    const artifact = catalogue.get(wanted);
    if (artifact === undefined || found.has(wanted)) return;
    for (const ingredient of ingredients(artifact)) add(ingredient);
    found.set(wanted, artifact);
  };
  for (const wanted of names) add(wanted);
  return [...found.values()];
}

/** `; did you mean 'swin-large'? (there are …)`, after the name of an artifact that is not in the catalogue. */
export function knownArtifacts(wanted: string, catalogue: Catalogue): string {
  return `${didYouMean(wanted, catalogue.keys())} (there are ${[...catalogue.keys()].join(', ')})`;
}

async function readFileEntries(path: string): Promise<readonly ArtifactPlan[]> {
  const text = await readConfigText(path, '');
  if (text === '') return [];
  const source = parseYamlSource(shownPath(path), text);
  if (source.problems.length > 0) throw new ConfigError(source.problems);
  const parsed = fileSchema.safeParse(source.value);
  if (!parsed.success) {
    const schema = z.toJSONSchema(fileSchema, { io: 'input' });
    throw new ConfigError(schemaProblems(parsed.error.issues, source, schema));
  }
  return Object.entries(parsed.data.artifacts).map(([artifact, entry]) => ({
    name: artifact,
    path: entry.path,
    recipe: recipeOf(entry),
  }));
}

/** A user need not have artifacts of their own. */
function recipeOf({
  download,
  convert,
  merge,
  trained,
  trusted,
  sha256: checksum,
}: z.output<typeof entrySchema>): Recipe {
  if (convert !== undefined) return { how: 'convert', ...convert };
  if (merge !== undefined) return { how: 'merge', ...merge };
  if (trained !== undefined) return { how: 'trained', ...trained };
  const sources = typeof download === 'string' ? [download] : (download ?? []);
  return {
    how: 'download',
    sources,
    ...(checksum !== undefined && { sha256: checksum }),
    ...(trusted && { trusted }),
  };
}

function ingredientProblems(artifact: ArtifactPlan, catalogue: Catalogue, file: string): Problem[] {
  const problem = (message: string): Problem => ({
    level: 'error',
    file: shownPath(file),
    key: `artifacts.${artifact.name}`,
    message,
  });
  const unknown = ingredients(artifact).filter((other) => !catalogue.has(other));
  if (unknown.length > 0) {
    return unknown.map((other) =>
      problem(`is made from '${other}', which is not in the catalogue${knownArtifacts(other, catalogue)}`),
    );
  }
  return leadsTo(artifact, artifact.name, catalogue, new Set()) ? [problem('is made from itself')] : [];
}

function leadsTo(from: ArtifactPlan, wanted: string, catalogue: Catalogue, seen: Set<string>): boolean {
  return ingredients(from).some((other) => {
    if (other === wanted) return true;
    if (seen.has(other)) return false;
    seen.add(other);
    const next = catalogue.get(other);
    return next !== undefined && leadsTo(next, wanted, catalogue, seen);
  });
}
