/**
 * @module The metrics that an evaluation leaves, as GLEE's and detectron2's evaluators print them; their files hold predictions
 * alone. detectron2's `print_csv_format` writes, for each data set after `Evaluation results for NAME in csv format:` and
 * for each kind of metric, three lines that begin with `copypaste: `: the kind, names, values. So it is for
 *
 *     COCO, Objects365, OpenImages, ODinW, BDD    bbox and segm: AP, AP50, AP75, APs, APm, APl (0 to 100)
 *     LVIS, BURST's and TAO's images              the same, and APr, APc, APf
 *     RefCOCO                                     its own names, taken as they are
 *
 * YTVIS, OVIS, LV-VIS, BURST, TAO and UVO as videos, OmniLabel, and test sets without annotations have no metrics: their
 * evaluators write inference/ and say that nothing can be computed.
 */
import { createReadStream } from 'node:fs';
import type { Metric } from '../../../contracts/evaluation.ts';

const RESULTS = /Evaluation results for (\S+) in csv format:/;
const COPY = /copypaste: (.*)$/;
/** What evaluators say of a data set, before its results, for which they compute nothing. */
const NONE = /Annotations are not available for evaluation|Did not receive valid predictions/;

const MAX_LINE_CHARACTERS = 64 << 10;
const MAX_DATASETS = 1000;
/** LVIS has 9 a kind. */
const MAX_METRICS_OF_A_DATASET = 1000;

export interface ParsedEvaluation {
  readonly metrics: readonly Metric[];
  /** Data sets of which there are metrics, if only NaN, or the word that there are none. */
  readonly evaluated: readonly string[];
}

/** Those of the last evaluation of a data set count. A value that is no number is left out. */
export function parseEvaluation(log: string): readonly Metric[] {
  const parser = new EvaluationParser();
  for (const line of log.split('\n')) parser.read(line);
  return parser.result().metrics;
}

/** Reads the whole log, piece by piece: a later data set may print any amount of text. */
export async function readEvaluation(path: string, signal: AbortSignal): Promise<ParsedEvaluation> {
  const parser = new EvaluationParser();
  let rest = '';
  for await (const piece of createReadStream(path, { encoding: 'utf8', signal })) {
    const lines = `${rest}${piece}`.split('\n');
    rest = (lines.pop() ?? '').slice(0, MAX_LINE_CHARACTERS);
    for (const line of lines) parser.read(line);
  }
  parser.read(rest);
  return parser.result();
}

class EvaluationParser {
  readonly #found = new Map<string, Metric[]>();
  readonly #evaluated = new Set<string>();
  #dataset: string | undefined;
  #kind: string | undefined;
  #names: readonly string[] | undefined;
  #hasNone = false;

  read(whole: string): void {
    const line = whole.slice(0, MAX_LINE_CHARACTERS);
    if (NONE.test(line)) this.#hasNone = true;
    const begun = RESULTS.exec(line)?.[1];
    if (begun !== undefined) this.#begin(begun);
    const copied = COPY.exec(line)?.[1]?.trim();
    if (copied !== undefined && this.#dataset !== undefined) this.#copy(this.#dataset, copied);
  }

  result(): ParsedEvaluation {
    return { metrics: [...this.#found.values()].flat(), evaluated: [...this.#evaluated] };
  }

  #begin(dataset: string): void {
    this.#kind = this.#names = undefined;
    this.#dataset = this.#found.has(dataset) || this.#found.size < MAX_DATASETS ? dataset : undefined;
    if (this.#dataset === undefined) return;
    this.#found.set(dataset, []);
    if (this.#hasNone) this.#evaluated.add(dataset);
    else this.#evaluated.delete(dataset);
    this.#hasNone = false;
  }

  #copy(dataset: string, copied: string): void {
    if (copied.startsWith('Task: ')) {
      this.#kind = copied.slice('Task: '.length);
      this.#names = undefined;
    } else if (this.#kind === undefined) {
      const [name = '', value] = copied.split('=');
      if (value !== undefined) this.#add(dataset, [name], [value]);
    } else if (this.#names === undefined) {
      this.#names = copied.split(',');
    } else {
      const kind = this.#kind;
      this.#add(
        dataset,
        this.#names.map((name) => `${kind}/${name}`),
        copied.split(','),
      );
      this.#kind = this.#names = undefined;
    }
  }

  #add(dataset: string, names: readonly string[], values: readonly string[]): void {
    this.#evaluated.add(dataset);
    const metrics = this.#found.get(dataset) ?? [];
    for (const [index, metric] of names.entries()) {
      const value = Number.parseFloat(values[index] ?? '');
      if (Number.isFinite(value) && metrics.length < MAX_METRICS_OF_A_DATASET)
        metrics.push({ dataset, metric, value });
    }
  }
}
