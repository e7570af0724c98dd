/** @module What trainers and data sets leave on hosts: logs, metrics, annotations, job folders. */
import { prefixProblem } from '../../activities/preflight/json-prefix.ts';
import { sampleAnnotations } from '../../activities/preflight/annotations.ts';
import { evaluationSchema, parseObject } from '../../activities/storage/schemas.ts';
import { classifyExit } from '../../activities/training/crashes/classify.ts';
import { readAnswer, readPhase, readSaves } from '../../activities/training/progress/companion-files.ts';
import { readCoverage } from '../../activities/training/progress/weights-coverage.ts';
import { readExit, readTaskToken, readTrainer, type Job } from '../../activities/training/jobs/job.ts';
import { peakMemoryMiB, readLosses, readNewestMetrics } from '../../activities/training/progress/metrics.ts';
import { readOutcome } from '../../activities/training/outcome.ts';
import { parseEvaluation, readEvaluation } from '../../activities/training/evaluation/parse-evaluation.ts';
import { readRanks } from '../../activities/training/progress/rank-records.ts';
import { asFile } from './files.ts';
import { textTarget, type Target } from './target.ts';

const ANNOTATIONS =
  '{"images": [{"id": 1, "file_name": "a.jpg", "height": 2}], "annotations": [{"bbox": [0, 1.5, 2, 3]}], "categories": []}';
const METRICS =
  '{"iteration": 19, "total_loss": 1.5, "lr": 0.0001, "time": 0.5, "eta_seconds": 10.5}\n{"iteration": 39, "total_loss": NaN}\n';
const LOG = `[11/26 01:00:00 d2.utils.events]: eta: 0:00:10  iter: 19  total_loss: 1.5  max_mem: 123M
Traceback (most recent call last):
  File "train_net.py", line 1, in <module>
RuntimeError: CUDA out of memory. Tried to allocate 2.00 GiB
[rank0]: torch.distributed.DistBackendError: NCCL error
`;
const EVALUATION = `Evaluation results for bbox:
|   AP   |  AP50  |  APs  |
|:------:|:------:|:-----:|
| 12.345 | 23.456 |  nan  |
copypaste: Task: bbox
copypaste: AP,AP50
copypaste: 12.3450,23.4560
`;
const FAILED = {
  ...{ kind: 'failed', type: 'TrainerCrashed', message: 'boom' },
  details: { host: 'host-a', line: 'KeyError: 1', at: 1, signature: 'KeyError: #', iteration: 20 },
};
const EVALUATED = {
  ...{ checkpoint: 'r/finetune@20', sha256: 's', iterations: 20, inputs: 'i' },
  metrics: [{ dataset: 'rabbits_val', metric: 'bbox/AP', value: 12.3 }],
};
const LONG_LINES = [
  ' '.repeat(60_000),
  'a'.repeat(64 << 10),
  '|'.repeat(60_000),
  '['.repeat(60_000),
  '\n'.repeat(60_000),
];

const job = (folder: string): Job => ({
  folder,
  ...{ output: `${folder}/out`, log: `${folder}/trainer.log`, config: `${folder}/config.yaml` },
  identity: { run: 'r', stage: 'stage1', token: 1, workflowId: 'w' },
});
/** Errors with a name are what callers of job files know; a truncated file must not leave a trainer unsupervised. */
const jobTarget = (file: string, seed: unknown, read: (job: Job) => Promise<unknown>): Target => ({
  ...textTarget(`job-${file}`, () => undefined, {
    seeds: [JSON.stringify(seed)],
    hostile: ['', '{', 'null', '[]', '['.repeat(30_000), '{"pid": 1e999}'],
    errors: ['UnreadableObject', 'ApplicationFailure'],
  }),
  run: asFile(file, (_path, folder) => read(job(folder))),
});

export const HOST_TARGETS: readonly Target[] = [
  textTarget('json-prefix', (text) => [prefixProblem(text), prefixProblem(text, true)], {
    seeds: [ANNOTATIONS],
    hostile: [
      '{"a":'.repeat(10_000),
      `[${' '.repeat(60_000)}`,
      `"${'\\u'.repeat(20_000)}`,
      '1'.repeat(60_000),
      ...LONG_LINES,
    ],
  }),
  {
    ...textTarget('annotations', () => undefined, {
      seeds: [ANNOTATIONS, `\ufeff${ANNOTATIONS}`],
      hostile: LONG_LINES,
    }),
    run: asFile('instances.json', (path) => sampleAnnotations(path)),
  },
  textTarget(
    'trainer-log',
    (text) => [
      classifyExit(undefined, text),
      classifyExit({ code: 1, signal: null, at: 1 }, text),
      peakMemoryMiB(text),
    ],
    {
      seeds: [LOG],
      hostile: [
        ...LONG_LINES,
        'File "'.repeat(10_000),
        'Error: '.repeat(9000),
        'max_mem: 1'.repeat(6000),
        'unable to open '.repeat(4000),
      ],
    },
  ),
  textTarget('evaluation-log', parseEvaluation, {
    seeds: [EVALUATION],
    hostile: [...LONG_LINES, 'copypaste: '.repeat(5000), '| a '.repeat(15_000)],
  }),
  {
    ...textTarget('evaluation-file', () => undefined, {
      seeds: [EVALUATION],
      hostile: [...LONG_LINES, 'Evaluation results for x in csv format:\n'.repeat(1500)],
    }),
    run: asFile('trainer.log', (path) => readEvaluation(path, new AbortController().signal)),
  },
  textTarget('stored-evaluation', (text) => parseObject(text, evaluationSchema, 's3://b/k'), {
    seeds: [JSON.stringify(EVALUATED)],
    hostile: ['['.repeat(30_000)],
    errors: ['UnreadableObject'],
  }),
  {
    ...textTarget('metrics', () => undefined, {
      seeds: [METRICS],
      hostile: [...LONG_LINES, '{"iteration": 1e999}\n'],
    }),
    run: asFile('metrics.json', (path) => Promise.all([readNewestMetrics(path), readLosses(path, 1 << 16)])),
  },
  jobTarget('trainer.json', { pid: 1, startedAt: 2 }, readTrainer),
  jobTarget('exit.json', { code: 1, signal: null, at: 3 }, readExit),
  jobTarget('activity.json', { taskToken: 'YQ==' }, readTaskToken),
  jobTarget(
    'coverage.json',
    { matchedKeys: 1, totalKeys: 2, matchedParameters: 3, totalParameters: 4 },
    readCoverage,
  ),
  jobTarget('rank-0.json', { iteration: 1, waits: true, ownSeconds: null }, readRanks),
  jobTarget('outcome.json', FAILED, readOutcome),
  jobTarget(
    'phase.json',
    { phase: 'training', since: 1, at: 2, iterations: 3, longest: { data: 1.5 } },
    readPhase,
  ),
  jobTarget('saves.jsonl', { name: 'a', iteration: 1, stallSeconds: 1, writeSeconds: 2, at: 3 }, readSaves),
  jobTarget(
    'save-answer.json',
    { id: 'a', stop: true, iterations: 3, checkpoint: 'model_0000002.pth', at: 1 },
    readAnswer,
  ),
];
