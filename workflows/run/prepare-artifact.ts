/**
 * Brings one artifact into S3. Its workflow id is the artifact's name, so that two runs never fetch the same file at
 * the same time: the second waits, and then finds what the first has brought.
 */
import { proxyActivities } from '@temporalio/workflow';
import type { WeightsActivities } from '../../contracts/activities.ts';
import { secretProblem } from '../../contracts/sources.ts';
import type { ArtifactPlan, PrepareArtifactInput, PreparedArtifact } from '../../contracts/weights.ts';
import { fetching } from '../base/activity-profiles.ts';
import { invalid } from '../base/errors.ts';
import { checkArtifactInput } from '../base/weights-input.ts';

const weights = proxyActivities<WeightsActivities>(fetching);

export async function prepareArtifact(given?: PrepareArtifactInput): Promise<PreparedArtifact> {
  const { artifact, ingredients } = checkArtifactInput(given);
  const { name, recipe } = artifact;
  mustHaveNoSecret(artifact);
  switch (recipe.how) {
    case 'download':
      return weights.fetchArtifact.executeWithOptions({ ...fetching, summary: `fetch ${name}` }, [
        { artifact, recipe },
      ]);
    case 'convert': {
      const from = find(artifact, ingredients, recipe.from);
      return weights.convertArtifact.executeWithOptions(
        { ...fetching, summary: `convert ${from.name} to ${name}` },
        [{ artifact, recipe, from }],
      );
    }
    case 'merge': {
      const base = find(artifact, ingredients, recipe.base);
      const from = find(artifact, ingredients, recipe.from);
      return weights.mergeArtifact.executeWithOptions(
        { ...fetching, summary: `merge ${base.name} and ${from.name} to ${name}` },
        [{ artifact, recipe, base, from }],
      );
    }
    case 'trained':
      return weights.findTrained.executeWithOptions(
        { ...fetching, summary: `find ${recipe.run}/${recipe.stage}` },
        [{ artifact, recipe }],
      );
  }
}

/** Before it can get into S3; in this workflow's history it is already. @throws InvalidConfig */
export function mustHaveNoSecret({ name, recipe }: ArtifactPlan): void {
  const problem = recipe.how === 'download' ? secretProblem(name, recipe.sources) : undefined;
  if (problem !== undefined) throw invalid(problem);
}

function find(artifact: ArtifactPlan, prepared: readonly PreparedArtifact[], name: string): PreparedArtifact {
  const found = prepared.find((other) => other.name === name);
  if (found !== undefined) return found;
  const message = `artifact '${artifact.name}' is made from '${name}', which was not prepared`;
  throw invalid(message);
}
