/** @module Files of torch, what S3 holds as JSON, and addresses of weights. */
import {
  parseObject,
  headSchema,
  checkpointSchema,
  planSchema,
  stageResultSchema,
} from '../../activities/storage/schemas.ts';
import { manifestSchema } from '../../activities/weights/manifest.ts';
import { parseSource } from '../../activities/weights/sources/parse-source.ts';
import { isPublicAddress } from '../../activities/weights/sources/public-address.ts';
import { readCheckpoint } from '../../activities/torch-file/checkpoint.ts';
import { mustBeHarmless } from '../../activities/torch-file/scan.ts';
import { sourceProblem } from '../../planning/validations/source-validations.ts';
import { secretProblem, unprovenProblem } from '../../contracts/sources.ts';
import { fileAt, pinOf } from '../../activities/checkpoints/snapshot.ts';
import {
  bytesSource,
  pickleOf,
  smallCheckpoint,
  textOf,
  torchFileOf,
  zipOf,
} from '../activities/torch-file/archives.ts';
import { stagePlan } from '../fixtures/stage-plan.ts';
import { textTarget, type Target } from './target.ts';

const forever = new AbortController().signal;
const TORCH = ['TorchFileError'];
const checkpoint = {
  run: 'r',
  stage: 'stage1',
  token: 1,
  name: 'model_0000009.pth',
  iterations: 10,
  final: false,
  file: {
    key: 'runs/r/stage1/1/model_0000009.pth',
    sha256: 'a'.repeat(64),
    sizeBytes: 1,
    crc32: 'b'.repeat(8),
  },
  savedAt: 1,
  times: { restores: [{ host: 'h', at: 1, seconds: 2 }] },
};
const DEEP = `${'{"a":['.repeat(6000)}0${']}'.repeat(6000)}`;
const MANY = `[${'0,'.repeat(30_000)}0]`;

const PICKLES = [
  pickleOf('\x80\x02}X\x05\0\0\0modelq\0}q\x01X\x01\0\0\0wq\x02K\x01sh\0h\x01s.'),
  pickleOf("(dp0\nVmodel\np1\n(lp2\nI1\naF2.5\naL3L\naS'x'\nasg0\n."),
  pickleOf('\x80\x04\x95\x10\0\0\0\0\0\0\0}\x94\x8c\x01a\x94\x8f(K\x01\x90\x88\x89N\x87\x94s.'),
  pickleOf('ccollections\nOrderedDict\n](K\x01K\x02\x86e\x85R.'),
];
const HOSTILE_PICKLES = [
  pickleOf(`c${'a.'.repeat(20_000)}\nx\n.`),
  pickleOf(textOf('m'), textOf(`${'a.'.repeat(20_000)}x`), '\x93.'),
  pickleOf(`cos\n${'x'.repeat(60_000)}\n.`),
  pickleOf('](', 'NN\x86'.repeat(10_000), 'eq\0', 'ccollections\nOrderedDict\nh\0\x85R'.repeat(800), '.'),
  pickleOf(
    '(ctorch._tensor\n_rebuild_from_type_v2\nctorch\nTensor\n'.repeat(1000),
    ')',
    't'.repeat(1000),
    'R.',
  ),
  pickleOf(`L${'9'.repeat(40_000)}L\n.`),
  pickleOf('('.repeat(60_000), '.'),
];

const archiveTarget = (name: string, read: (input: Buffer) => Promise<unknown>): Target => ({
  name,
  seeds: [
    smallCheckpoint(),
    smallCheckpoint(undefined, 0),
    zipOf([{ name: 'a/data.pkl', bytes: pickleOf('}.') }]),
  ],
  hostile: [Buffer.alloc(0), Buffer.alloc(60_000, 'PK\x05\x06'), Buffer.alloc(60_000)],
  errors: TORCH,
  run: read,
});
const jsonTarget = (name: string, schema: Parameters<typeof parseObject>[1], seed: unknown): Target =>
  textTarget(name, (text) => parseObject(text, schema, 's3://b/k'), {
    seeds: [JSON.stringify(seed)],
    hostile: [DEEP, MANY, '', '{"__proto__": {}}', `"${'\\'.repeat(60_000)}`],
    errors: ['UnreadableObject'],
  });

export const WEIGHTS_TARGETS: readonly Target[] = [
  archiveTarget('torch-archive', (input) => readCheckpoint(bytesSource(input), forever)),
  archiveTarget('torch-scan', (input) => mustBeHarmless(bytesSource(input), forever)),
  {
    name: 'torch-pickle',
    seeds: PICKLES,
    hostile: HOSTILE_PICKLES,
    errors: TORCH,
    run: (input) => readCheckpoint(bytesSource(torchFileOf(input)), forever),
  },
  {
    name: 'torch-pickle-scan',
    seeds: PICKLES,
    hostile: HOSTILE_PICKLES,
    errors: TORCH,
    run: (input) => mustBeHarmless(bytesSource(input), forever),
  },
  jsonTarget('head', headSchema, { token: 1, checkpoint, left: [{ by: 1, after: 2 }] }),
  jsonTarget('checkpoint-manifest', checkpointSchema, checkpoint),
  jsonTarget('artifact-manifest', manifestSchema, {
    ...{
      name: 'a',
      file: checkpoint.file,
      source: 'https://h/x',
      validator: null,
      proof: 'made',
      fetchedAt: 1,
    },
  }),
  jsonTarget('plan', planSchema, {
    ...{ run: 'r', config: 'joint/lite', variant: 'Lite', stages: [stagePlan('default')], warnings: [] },
    artifacts: [{ name: 'a', path: 'a.pth', recipe: { how: 'download', sources: ['https://h/x'] } }],
  }),
  jsonTarget('stage-result', stageResultSchema, { stage: 'stage1', inputs: 'a'.repeat(64), attempts: 1 }),
  textTarget(
    'source',
    (text) => {
      sourceProblem(text);
      secretProblem('a', [text]);
      unprovenProblem([text], undefined);
      isPublicAddress(text);
      return parseSource(text, '/glee');
    },
    {
      seeds: [
        'https://host/a.pth?x=1',
        'hf://spaces/lab/model@main/a.pth',
        's3://bucket/k',
        'file:///a',
        'weights/a.pth',
      ],
      hostile: [
        `/${'a/'.repeat(30_000)}`,
        `hf://${'a/'.repeat(30_000)}`,
        `https://${'@'.repeat(60_000)}`,
        `http://[${':'.repeat(60_000)}`,
      ],
      errors: ['FetchError'],
    },
  ),
  textTarget('object-name', (text) => [fileAt(text), pinOf({ run: 'r', stage: 's' }, text)], {
    seeds: ['runs/r/stage1/attempts/1/model_0000009.pth', 'runs/r/s/pins/1/model_final.pth/people.json'],
    hostile: [`runs/${'/attempts/1'.repeat(5000)}`],
  }),
];
