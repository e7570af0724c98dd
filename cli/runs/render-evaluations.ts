/** @module What a fine-tune's checkpoints were measured to be, as lines of text. */
import pc from 'picocolors';
import type { EvaluationResult } from '../../contracts/evaluation.ts';
import type { RunSnapshot } from '../shared/observe-run.ts';

/** Metrics of a data set on one line: those of single categories follow. */
const METRICS_SHOWN = 6;

export function evaluationLines({
  evaluations,
  best,
  evaluation,
}: Pick<RunSnapshot, 'evaluations' | 'best' | 'evaluation'>): string[] {
  return [
    ...evaluations.flatMap((one) => resultLines(one, one.checkpoint === best && evaluations.length > 1)),
    ...(evaluation === null
      ? []
      : [`  evaluation of ${evaluation.checkpoint}  ${pc.cyan(evaluation.doing)}`]),
    ...(best === null ? [] : [`  best checkpoint  ${pc.green(best)}`]),
  ];
}

function resultLines({ checkpoint, metrics, files = [] }: EvaluationResult, isBest: boolean): string[] {
  const name = isBest ? pc.green(checkpoint) : checkpoint;
  // Predictions are all that an evaluation on videos leaves.
  if (metrics.length === 0)
    return [
      `  ${name}  evaluated; GLEE computes no figure`,
      ...files.map(({ bucket, key }) => `    s3://${bucket}/${key}`),
    ];
  const datasets = [...new Set(metrics.map(({ dataset }) => dataset))];
  return datasets.map((dataset) => {
    const own = metrics.filter((one) => one.dataset === dataset);
    const shown = own
      .slice(0, METRICS_SHOWN)
      .map(({ metric, value }) => `${metric} ${String(Number(value.toPrecision(4)))}`);
    const more = own.length - shown.length;
    const rest = more > 0 ? [`and ${more} more: glee evaluate ${checkpoint}`] : [];
    return `  ${name}  ${dataset}  ${[...shown, ...rest].join('  ')}`;
  });
}
