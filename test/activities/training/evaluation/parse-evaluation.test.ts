import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseEvaluation } from '../../../../activities/training/evaluation/parse-evaluation.ts';

/** As GLEE prints it on several ranks with colours off; other lines stand between. */
const LOG = `[11/24 12:00:01 d2.evaluation.coco_evaluation]: Evaluating predictions with official COCO API...
[11/24 12:00:02 d2.engine.defaults]: Evaluation results for odinw13_Rabbits in csv format:
[11/24 12:00:02 d2.evaluation.testing]: copypaste: Task: bbox
[11/24 12:00:02 d2.evaluation.testing]: copypaste: AP,AP50,AP75,APs,APm,APl
[11/24 12:00:02 d2.evaluation.testing]: copypaste: 71.4032,86.1000,80.0000,nan,-1.0000,72.5000
[11/24 12:00:05 d2.engine.defaults]: Evaluation results for ytvis_2019_val in csv format:
[11/24 12:00:06 d2.engine.defaults]: Evaluation results for coco_2017_val in csv format:
[11/24 12:00:06 d2.evaluation.testing]: copypaste: Task: bbox
[11/24 12:00:06 d2.evaluation.testing]: copypaste: AP,AP50
[11/24 12:00:06 d2.evaluation.testing]: copypaste: 55.0000,72.0000
[11/24 12:00:06 d2.evaluation.testing]: copypaste: Task: segm
[11/24 12:00:06 d2.evaluation.testing]: copypaste: AP,AP50
[11/24 12:00:06 d2.evaluation.testing]: copypaste: 48.4000,70.1000
`;

test('every figure of every data set and kind becomes a metric; what is no number is left out', () => {
  const flat = parseEvaluation(LOG).map(({ dataset, metric, value }) => `${dataset} ${metric} ${value}`);
  assert.deepEqual(flat, [
    'odinw13_Rabbits bbox/AP 71.4032',
    'odinw13_Rabbits bbox/AP50 86.1',
    'odinw13_Rabbits bbox/AP75 80',
    'odinw13_Rabbits bbox/APm -1',
    'odinw13_Rabbits bbox/APl 72.5',
    'coco_2017_val bbox/AP 55',
    'coco_2017_val bbox/AP50 72',
    'coco_2017_val segm/AP 48.4',
    'coco_2017_val segm/AP50 70.1',
  ]);
});

test('of several evaluations in one log the last of each data set counts', () => {
  const later = LOG.replaceAll('71.4032', '90.0000');
  const metrics = parseEvaluation(`${LOG}${later}`);
  assert.equal(metrics.length, 9);
  assert.equal(
    metrics.find(({ metric, dataset }) => metric === 'bbox/AP' && dataset.includes('Rabbits'))?.value,
    90,
  );
});

test('a log that was cut off, or has no evaluation, gives what there is', () => {
  assert.deepEqual(parseEvaluation('iter: 5 total_loss: 3'), []);
  assert.deepEqual(parseEvaluation(LOG.slice(0, LOG.indexOf('71.4032') - 12)), []);
});
