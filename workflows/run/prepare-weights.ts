/**
 * Brings artifacts into S3, each once: those that others are made from first, all else at the same time. A wrong address
 * is known within seconds, before anything is fetched, and what another run fetches already is waited for.
 */
import {
  ApplicationFailure,
  executeChild,
  ParentClosePolicy,
  proxyActivities,
  setCurrentDetails,
  setHandler,
} from '@temporalio/workflow';
import type { WeightsActivities } from '../../contracts/activities.ts';
import { artifactWorkflowId } from '../../contracts/ids.ts';
import { markdownText } from '../../contracts/markdown.ts';
import {
  describeRecipe,
  ingredients,
  type ArtifactPlan,
  type ArtifactStatus,
  type PreparedArtifact,
  type PrepareWeightsInput,
} from '../../contracts/weights.ts';
import { checking } from '../base/activity-profiles.ts';
import { weightsStateQuery } from '../base/messages.ts';
import { onceFree } from './once-free.ts';
import { mustHaveNoSecret, prepareArtifact } from './prepare-artifact.ts';
import { checkWeightsInput } from '../base/weights-input.ts';

const { checkSources } = proxyActivities<WeightsActivities>(checking);

/** @returns The artifacts, in the order in which they were asked for. */
export async function prepareWeights(given?: PrepareWeightsInput): Promise<readonly PreparedArtifact[]> {
  const { artifacts } = checkWeightsInput(given);
  for (const artifact of artifacts) mustHaveNoSecret(artifact);
  let state: readonly ArtifactStatus[] = artifacts.map(({ name }) => ({ name, status: 'waiting' }));
  setHandler(weightsStateQuery, () => ({ artifacts: state }));
  const begun = new Map<string, Promise<PreparedArtifact>>();

  const summary = `look for the sources of ${artifacts.map(({ name }) => name).join(', ')}`;
  await checkSources.executeWithOptions({ ...checking, summary }, [{ artifacts }]);
  return Promise.all(artifacts.map(({ name }) => prepared(name)));

  /** Each is begun once, however many are made from it. */
  function prepared(name: string): Promise<PreparedArtifact> {
    const preparing = begun.get(name) ?? prepare(name);
    begun.set(name, preparing);
    return preparing;
  }

  async function prepare(name: string): Promise<PreparedArtifact> {
    const plan = find(name);
    const made = await Promise.all(ingredients(plan).map(prepared));
    show({ name, status: 'preparing', workflowId: artifactWorkflowId(name) });
    const artifact = await onceFree(`wait for another run that prepares ${name}`, () =>
      executeChild(prepareArtifact, {
        workflowId: artifactWorkflowId(name),
        args: [{ artifact: plan, ingredients: made }],
        parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
        staticSummary: `${name}: ${describeRecipe(plan)}`,
      }),
    );
    show({ name, status: 'ready', artifact });
    return artifact;
  }

  function find(name: string): ArtifactPlan {
    const plan = artifacts.find((artifact) => artifact.name === name);
    if (plan !== undefined) return plan;
    const message = `artifact '${name}' is needed and not among those to prepare`;
    throw ApplicationFailure.create({ type: 'InvalidConfig', message, nonRetryable: true });
  }

  function show(status: ArtifactStatus): void {
    state = state.map((other) => (other.name === status.name ? status : other));
    setCurrentDetails(state.map(({ name, status: word }) => `- ${markdownText(name)}: ${word}`).join('\n'));
  }
}
