/** @module Ends of trainers as they are reported in public (torch 1.4 to 2.6, NCCL, CUDA, Python, glibc), and their names. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { classifyExit } from '../../../activities/training/crashes/classify.ts';
import type { TrainerExit } from '../../../activities/training/jobs/job.ts';
import { packageRoot } from '../../../planning/environment/package-root.ts';
import { FAILURES, type FailureType } from '../../../contracts/failures.ts';

const FOLDER = join(packageRoot, 'test/fixtures/crash-logs');
const status = (code: number): TrainerExit => ({ code, signal: null, at: 0 });
const killed = (signal: string): TrainerExit => ({ code: null, signal, at: 0 });

const CORPUS: readonly (readonly [name: string, exit: TrainerExit, type: FailureType, line: RegExp])[] = [
  ['torch1-spawn-oom', status(1), 'OutOfMemory', /^RuntimeError: CUDA out of memory/],
  ['torch2-oom-then-cleanup-fails', status(1), 'OutOfMemory', /^torch\.OutOfMemoryError/],
  ['torch2-oom-in-destructor', killed('SIGABRT'), 'OutOfMemory', /^torch\.cuda\.OutOfMemoryError/],
  ['torchrun-rank-killed', status(1), 'TrainerKilled', /./],
  ['torchrun-rank-key-error', status(1), 'TrainerConfig', /^KeyError: 'Non-existent/],
  ['torch14-spawn-exception', status(1), 'MissingFile', /swin_large/],
  ['torch14-spawn-killed', status(1), 'TrainerKilled', /SIGKILL/],
  ['spawn-segfault', status(1), 'TrainerKilled', /SIGSEGV/],
  ['loader-killed-while-file-not-found-was-handled', status(1), 'TrainerKilled', /exited unexpectedly/],
  ['loader-child-traceback-then-exited', status(1), 'TrainerKilled', /exited unexpectedly/],
  ['loader-oom-killed', status(1), 'TrainerKilled', /killed by signal: Killed/],
  ['loader-bus-error-shm', status(1), 'TrainerKilled', /Bus error/],
  ['loader-shared-memory-object', status(1), 'TrainerCrashed', /unable to open shared memory object/],
  ['pin-memory-thread', status(1), 'TrainerKilled', /Pin memory thread/],
  ['shm-full', status(1), 'TrainerCrashed', /unable to write to file/],
  ['loader-socket-gone', status(1), 'TrainerCrashed', /^FileNotFoundError/],
  ['loader-image-missing', status(1), 'MissingFile', /000000000009\.jpg/],
  ['too-many-open-files', status(1), 'TrainerCrashed', /Errno 24/],
  ['ancdata', status(1), 'TrainerCrashed', /ancdata/],
  ['xformers-triton-then-killed', killed('SIGKILL'), 'TrainerKilled', /./],
  ['xformers-triton-then-killed', status(137), 'TrainerKilled', /./],
  ['xformers-triton-then-killed', status(1), 'TrainerCrashed', /./],
  ['xformers-triton-then-rank-killed', status(1), 'TrainerKilled', /SIGKILL/],
  ['xformers-triton-then-odd-error', status(1), 'TrainerCrashed', /size of tensor/],
  ['warning-then-config-error', status(1), 'TrainerConfig', /SOLVER\.MAXITER/],
  ['user-warning-then-assertion', status(1), 'TrainerConfig', /Total batch size/],
  ['nccl-timeout-aborts', killed('SIGABRT'), 'PeerLost', /Watchdog caught/],
  ['nccl-system-error', status(1), 'PeerLost', /unhandled system error/],
  ['nccl-remote-error-torch2', status(1), 'PeerLost', /NCCL error/],
  ['nccl-oom', status(1), 'OutOfMemory', /Cuda failure 2/],
  ['cuda-assert', status(1), 'TrainerCrashed', /device-side assert/],
  ['ecc-aborts', killed('SIGABRT'), 'GpuFault', /uncorrectable ECC/],
  ['xid-in-the-log', status(1), 'GpuFault', /Xid/],
  ['double-free', killed('SIGABRT'), 'TrainerKilled', /double free/],
  ['tcache-double-free', status(134), 'TrainerKilled', /double free/],
  ['fatal-python-error', killed('SIGSEGV'), 'TrainerKilled', /Fatal Python error/],
  ['python-import', status(1), 'ImportError', /detectron2/],
  ['python-syntax', status(1), 'ImportError', /^SyntaxError/],
  ['python-memory-error', status(1), 'TrainerCrashed', /^MemoryError/],
  ['numpy-memory-error', status(1), 'TrainerCrashed', /_ArrayMemoryError/],
  ['host-memory-torch', status(1), 'TrainerCrashed', /DefaultCPUAllocator/],
  ['disk-full', status(1), 'DiskFull', /Errno 28/],
  ['disk-full-aborts', killed('SIGABRT'), 'DiskFull', /Errno 28/],
  ['annotations-with-bom', status(1), 'DamagedData', /BOM/],
  ['annotations-cut-off', status(1), 'DamagedData', /Expecting value/],
  ['annotations-not-utf8', status(1), 'DamagedData', /codec/],
  ['argparse', status(2), 'TrainerConfig', /unrecognized arguments/],
  ['slurm-oom', killed('SIGKILL'), 'TrainerKilled', /oom_kill/],
  ['nan-then-peers-aborted', status(1), 'NonFiniteLoss', /iteration=2137/],
  ['optional-module-then-peer-lost', status(1), 'PeerLost', /communicator was aborted/],
];

const read = (name: string) => readFileSync(join(FOLDER, `${name}.log`), 'utf8');

describe('classifyExit, on ends of trainers that people have reported', () => {
  for (const [name, exit, type, line] of CORPUS) {
    it(`calls ${name} with ${exit.signal ?? `status ${exit.code}`} ${type}`, () => {
      const found = classifyExit(exit, read(name));
      assert.equal(found.type, type, found.message);
      assert.match(found.line, line);
    });
  }

  it('knows every log of the corpus', () => {
    const known = new Set(CORPUS.map(([name]) => `${name}.log`));
    assert.deepEqual(
      readdirSync(FOLDER).filter((file) => !known.has(file)),
      [],
    );
  });

  it('stops no run for good for what a log says when a signal ended the trainer', () => {
    for (const name of new Set(CORPUS.map(([name]) => name))) {
      for (const exit of [killed('SIGKILL'), killed('SIGTERM'), status(137), killed('SIGSEGV')]) {
        const { type } = classifyExit(exit, read(name));
        assert.notEqual(FAILURES[type], 'stop', `${name}: ${type}`);
      }
    }
  });

  it('stops no run for good where the exit status is lost, but for what is full', () => {
    for (const name of new Set(CORPUS.map(([name]) => name))) {
      const { type } = classifyExit(undefined, read(name));
      assert.ok(FAILURES[type] !== 'stop' || ['OutOfMemory', 'DiskFull'].includes(type), `${name}: ${type}`);
    }
  });

  it('finds the same names when the log has the tracebacks that xformers handles at its start', () => {
    for (const [name, exit, type] of CORPUS) {
      if (name.startsWith('xformers')) continue;
      assert.equal(classifyExit(exit, read('xformers-triton-then-killed') + read(name)).type, type, name);
    }
  });
});

describe('classifyExit, on words of a log that are not why the trainer ended', () => {
  const raised = 'Traceback (most recent call last):\n  File "/glee/x.py", line 9, in run\n';

  it('passes over what the trainer lived through', () => {
    const log = `OpenCV: Too many open files\n[11/02 12:00:00 d2.data.build]: Using 7 images\n${raised}KeyError: 'lite'\n`;
    const { type, line } = classifyExit(status(1), log);
    assert.deepEqual([type, line], ['TrainerConfig', "KeyError: 'lite'"]);
  });

  it('passes over exceptions that Python itself dropped', () => {
    const dropped = `Exception ignored in: <function Pool.__del__ at 0x7f>\n${raised}RuntimeError: CUDA error: driver shutting down\n`;
    assert.equal(classifyExit(status(1), `${raised}KeyError: 'lite'\n${dropped}`).type, 'TrainerConfig');
  });

  it('does not stop for what the companion refused where a signal ended the trainer', () => {
    const log = 'glee: initial weights w.pth match 3 % of the model (limit 90 %)\n';
    assert.equal(classifyExit(status(1), log).type, 'WrongWeights');
    assert.equal(classifyExit(killed('SIGKILL'), log).type, 'TrainerKilled');
  });
});

describe('the signature of a failure', () => {
  const crash = (text: string) =>
    `Traceback (most recent call last):\n  File "/glee/x.py", line 9, in run\n${text}\n`;

  it('is the same for the same crash with other pids, addresses, sizes and ports', () => {
    const one = crash('RuntimeError: pid 4711 at 0x7f52abbfc3cf of gpu-1:29500 in /tmp/tmpab1/x: 1.5 GiB');
    const two = crash(
      'RuntimeError: pid 99 at 0x6e00abbfc3cf of gpu-17:31 in /tmp/tmpzz/y: 20.25 GiB',
    ).replace('/glee/x.py', '/mnt/other/x.py');
    const [first, second] = [one, two].map((log) => classifyExit(status(1), log).signature);
    assert.equal(first, second);
    assert.match(first ?? '', /^RuntimeError: pid # .*\(x\.py:9 in run\)$/);
  });

  it('differs by the place and by the words', () => {
    const logs = [
      crash('RuntimeError: odd'),
      crash('RuntimeError: even'),
      crash('RuntimeError: odd').replace('line 9', 'line 10'),
    ];
    assert.equal(new Set(logs.map((log) => classifyExit(status(1), log).signature)).size, 3);
  });

  it('is absent after a signal, and for the loss of a peer', () => {
    for (const [exit, log] of [
      [killed('SIGKILL'), crash('RuntimeError: odd')],
      [status(1), crash('RuntimeError: Connection reset by peer')],
      [status(1), ''],
    ] as const)
      assert.equal(classifyExit(exit, log).signature, undefined);
  });
});

it('takes time that grows no faster than the log, whatever a trainer prints', () => {
  const size = 64 << 10;
  const pieces = [
    ...['a', '[', '[a]', ' ', '\u001b', '\u001b];a', ';a', '1', 'store', ' iter: 1 ', ' match ', '/pymp-'],
    ...['Exception ignored in x\n', '\n', ' a\n', 'Traceback (most recent call last):\n', 'x.y.Error', '":'],
    ...[
      'DataLoader worker (pid',
      'AssertionError: Checkpoint ',
      'OSError: File ',
      '[rank1]: ',
      '  File "/',
      '/tmp/',
    ],
    ...[
      'During handling of the above exception, another exception occurred:\n',
      'KeyError: x\n',
      'uncorrectable ',
    ],
  ];
  for (const head of [
    '',
    'glee: initial weights ',
    '\u001b',
    'Exception ignored in x\n',
    'RuntimeError: ',
    '  File "',
  ])
    for (const piece of pieces) {
      const log = head + piece.repeat(size / piece.length);
      // Not by the clock: other tests run beside it.
      const begun = process.cpuUsage();
      classifyExit(status(1), log);
      const { user, system } = process.cpuUsage(begun);
      const ms = (user + system) / 1000;
      assert.ok(ms < 200, `${JSON.stringify(head + piece)}: ${ms} ms`);
    }
});
