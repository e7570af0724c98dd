/**
 * @module The figures that an evaluation leaves, as GLEE's and detectron2's evaluators print them. Pure: text in, metrics out.
 *
 * detectron2's `print_csv_format` writes, for each data set after `Evaluation results for NAME in csv format:` and for each
 * kind of figure, three lines that begin with `copypaste: `: the kind, names, values. So it is for
 *
 *     COCO, Objects365, OpenImages, ODinW, BDD    bbox and segm: AP, AP50, AP75, APs, APm, APl (0 to 100)
 *     LVIS, BURST's and TAO's images              the same, and APr, APc, APf
 *     RefCOCO                                     its own names, taken as they are
 *
 * YTVIS, OVIS, LV-VIS, BURST, TAO and UVO as videos have no figures: GLEE's YTVISEvaluator writes inference/results.json and
 * computes nothing, as the annotations lie on CodaLab's servers or need a toolkit (TETA for TAO, BURST's own). OmniLabel's
 * evaluator is not covered.
 */
import type { Metric } from '../../contracts/evaluation.ts';

const RESULTS = /Evaluation results for (\S+) in csv format:/;
const COPY = /copypaste: (.*)$/;

/** The figures in a log's text; those of the last evaluation of a data set count. A figure that is no number is left out. */
export function parseEvaluation(log: string): readonly Metric[] {
  const found = new Map<string, readonly Metric[]>();
  let dataset: string | undefined;
  let kind: string | undefined;
  let names: readonly string[] | undefined;
  for (const line of log.split('\n')) {
    const begun = RESULTS.exec(line)?.[1];
    if (begun !== undefined) {
      dataset = begun;
      found.set(dataset, []);
      kind = names = undefined;
      continue;
    }
    const copied = COPY.exec(line)?.[1]?.trim();
    if (copied === undefined || dataset === undefined) continue;
    if (copied.startsWith('Task: ')) {
      kind = copied.slice('Task: '.length);
      names = undefined;
    } else if (kind === undefined) {
      continue;
    } else if (names === undefined) {
      names = copied.split(',');
    } else {
      const before = found.get(dataset) ?? [];
      found.set(dataset, [...before, ...metricsOf(dataset, kind, names, copied.split(','))]);
      kind = names = undefined;
    }
  }
  return [...found.values()].flat();
}

function metricsOf(
  dataset: string,
  kind: string,
  names: readonly string[],
  values: readonly string[],
): readonly Metric[] {
  return names.flatMap((name, index) => {
    const value = Number.parseFloat(values[index] ?? '');
    return Number.isFinite(value) ? [{ dataset, metric: `${kind}/${name}`, value }] : [];
  });
}
