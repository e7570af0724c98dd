import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { FailureType } from '../../../../contracts/failures.ts';
import { classifyExit } from '../../../../activities/training/crashes/classify.ts';
import type { TrainerExit } from '../../../../activities/training/jobs/job.ts';

const failed: TrainerExit = { code: 1, signal: null, at: 0 };
const killed = (signal: string): TrainerExit => ({ code: null, signal, at: 0 });
const progress =
  '[11/02 12:00:01 d2.utils.events]:  eta: 5:48:54  iter: 11859  total_loss: 45.91  loss_ce: 1.061  time: 1.1627  lr: 0.001  max_mem: 8978M';
const traceback =
  'Traceback (most recent call last):\n  File "train_net.py", line 250, in <module>\n    main(args)';
/** What torch prints of a rank that raised, around the rank's own last line. */
const spawned = (last: string) =>
  `${traceback}\ntorch.multiprocessing.spawn.ProcessRaisedException:\n\n-- Process 1 terminated with the following error:\n${traceback}\n${last}\n`;

/** The log's last line, and with it the name, told apart from all else that trainers print. */
function named(type: FailureType, wordings: Readonly<Record<string, string>>): void {
  for (const [what, line] of Object.entries(wordings)) {
    it(`calls it ${type} when ${what}`, () => {
      const found = classifyExit(failed, spawned(line));
      assert.equal(found.type, type);
      const shown = line.replace(/^(\[rank\d+\]: )/, '');
      assert.equal(found.line, shown);
      assert.ok(found.message.startsWith(shown));
    });
  }
}

describe('classifyExit, by what PyTorch, detectron2, fvcore and Python print', () => {
  named('OutOfMemory', {
    'PyTorch 1 has no memory left':
      'RuntimeError: CUDA out of memory. Tried to allocate 1024.00 MiB (GPU 0; 15.90 GiB total capacity; 14.25 GiB already allocated; 991.56 MiB free)',
    'PyTorch 1.13 has no memory left':
      'torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB (GPU 0; 79.15 GiB total capacity)',
    'PyTorch 2.5 has no memory left':
      '[rank1]: torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 1 has a total capacity of 79.15 GiB',
    'the driver has no memory left': 'RuntimeError: CUDA error: out of memory',
    'cuBLAS has no memory left':
      'RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`',
  });

  named('DiskFull', {
    'Python cannot write': 'OSError: [Errno 28] No space left on device',
    'torch.save cannot write':
      'RuntimeError: [enforce fail at inline_container.cc:445] . PytorchStreamWriter failed writing file data/176: file write failed',
  });

  named('NonFiniteLoss', {
    "detectron2's loop meets it": 'FloatingPointError: Loss became infinite or NaN at iteration=2137!',
    "detectron2's heads meet it":
      'FloatingPointError: Predicted boxes or scores contain Inf/NaN. Training has diverged.',
    "MaskDINO's matcher meets it first": 'ValueError: matrix contains invalid numeric entries',
    'the matcher finds no finite cost': 'ValueError: cost matrix is infeasible',
  });

  named('ImportError', {
    'a module is missing': "ModuleNotFoundError: No module named 'detectron2'",
    'a library of a module is missing':
      'ImportError: libGL.so.1: cannot open shared object file: No such file or directory',
    'a library is missing':
      'OSError: libcudart.so.11.0: cannot open shared object file: No such file or directory',
  });

  named('MissingFile', {
    'Python finds no annotations':
      "FileNotFoundError: [Errno 2] No such file or directory: 'datasets/coco/annotations/instances_train2017.json'",
    'fvcore finds no weights on one GPU': 'AssertionError: Checkpoint weights/swin_large.pth not found!',
    'detectron2 finds no weights on many GPUs':
      'OSError: File weights/converted_maskdino_r50_withoutclip.pth not found on main worker.',
    'detectron2 finds no config':
      "AssertionError: Config file 'projects/GLEE/configs/x.yaml' does not exist!",
    'the interpreter finds no script':
      "python3: can't open file '/glee/launch.py': [Errno 2] No such file or directory",
  });

  named('RendezvousFailed', {
    'PyTorch 1 finds the port taken': 'RuntimeError: Address already in use',
    'PyTorch 1.12 finds the port taken':
      'RuntimeError: The server socket has failed to listen on any local network address. The server socket has failed to bind to [::]:29500 (errno: 98 - Address already in use).',
    'PyTorch 2.4 finds the port taken':
      'torch.distributed.DistNetworkError: The server socket has failed to listen on any local network address. port: 29500, useIpv6: true, code: -98, name: EADDRINUSE, message: address already in use',
    'no one listens':
      'torch.distributed.DistNetworkError: The client socket has timed out after 600000ms while trying to connect to (172.17.0.9, 46229).',
    'PyTorch 2 waits in vain for the others':
      'torch.distributed.DistStoreError: Timed out after 601 seconds waiting for clients. 1/2 clients joined.',
    'PyTorch 1 waits in vain for the others':
      'RuntimeError: Timed out initializing process group in store based barrier on rank: 0, for key: store_based_barrier_key:1 (world_size=16, worker_count=8, timeout=0:30:00)',
    'the host has a name that no one knows': 'socket.gaierror: [Errno -2] Name or service not known',
    'no route leads there': 'OSError: [Errno 113] No route to host',
  });

  named('PeerLost', {
    'gloo loses a peer':
      'RuntimeError: [../third_party/gloo/gloo/transport/tcp/pair.cc:534] Connection closed by peer [10.0.0.1]:53211',
    'NCCL loses a peer':
      'ncclRemoteError: A call failed possibly due to a network error or a remote process exiting prematurely.',
    'PyTorch 2 speaks of NCCL':
      'torch.distributed.DistBackendError: NCCL error in: ../torch/csrc/distributed/c10d/ProcessGroupNCCL.cpp:1331, remote process exited or there was a network error, NCCL version 2.18.1',
    'a collective operation times out':
      'Watchdog caught collective operation timeout: WorkNCCL(SeqNum=9112, OpType=ALLREDUCE, Timeout(ms)=1800000) ran for 1800123 milliseconds before timing out.',
  });

  named('TrainerConfig', {
    'a data set is not registered':
      'KeyError: "Dataset \'sa1b_32_train\' is not registered! Available datasets are: coco_2017_train"',
    'yacs knows no such key': "KeyError: 'Non-existent config key: SOLVER.MAXITER'",
    'yacs gets another type':
      "ValueError: Type mismatch (<class 'float'> vs. <class 'int'>) with values (0.001 vs. 1) for config key: SOLVER.BASE_LR",
    'the batch does not divide':
      'AssertionError: Total batch size (32) must be divisible by the number of gpus (64).',
    'an argument is not known': 'train_net.py: error: unrecognized arguments: --num-gpu 8',
  });

  named('TrainerKilled', {
    'the kernel kills a data loader':
      'RuntimeError: DataLoader worker (pid 31245) is killed by signal: Killed.',
  });

  named('GpuFault', {
    "a GPU's memory is damaged": 'RuntimeError: CUDA error: uncorrectable ECC error encountered',
    'PyTorch 1 speaks of damaged memory':
      'RuntimeError: cuda runtime error (39) : uncorrectable ECC error encountered at /pytorch/aten/src/THC/THCCachingHostAllocator.cpp:265',
    'a link between GPUs is damaged':
      'RuntimeError: CUDA error: uncorrectable NVLink error detected during the execution',
    'the driver does not start':
      'RuntimeError: CUDA driver initialization failed, you might not have a CUDA gpu.',
    'the driver is not there':
      'RuntimeError: Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU',
    'the driver sees no GPU': 'RuntimeError: No CUDA GPUs are available',
    'PyTorch 1 sees no GPU':
      'RuntimeError: cuda runtime error (38) : no CUDA-capable device is detected at torch/csrc/cuda/Module.cpp:32',
    'detectron2 sees no GPU': 'AssertionError: cuda is not available. Please check your installation.',
    'no one knows what ails CUDA': 'RuntimeError: CUDA error: unknown error',
    'CUDA cannot say why it does not start':
      'RuntimeError: CUDA unknown error - this may be due to an incorrectly set up environment, e.g. changing env variable CUDA_VISIBLE_DEVICES after program start.',
    'the driver has lost a GPU': 'pynvml.nvml.NVMLError_GpuIsLost: GPU is lost',
    'a GPU has left its slot': 'NVRM: Xid (PCI:0000:3b:00): 79, pid=1896, GPU has fallen off the bus.',
  });

  named('TrainerCrashed', {
    'an index is out of range, which is the program':
      'RuntimeError: CUDA error: device-side assert triggered',
    'a kernel faults': 'RuntimeError: CUDA error: an illegal memory access was encountered',
  });
});

describe('classifyExit, when the log says several things', () => {
  it('believes the cause, whatever its consequences printed before it', () => {
    const log = [
      'RuntimeError: [Rank 0] Connection closed by peer [127.0.0.1]:4242',
      'torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.',
      'RuntimeError: NCCL communicator was aborted on rank 1.',
    ].join('\n');
    assert.equal(classifyExit(failed, log).type, 'OutOfMemory');
  });

  it('believes a faulty GPU more than the lost connections that follow', () => {
    const log = [
      'RuntimeError: CUDA error: uncorrectable ECC error encountered',
      'CUDA kernel errors might be asynchronously reported at some other API call',
      '[E ProcessGroupNCCL.cpp:916] [Rank 1] NCCL watchdog thread terminated with exception: CUDA error: uncorrectable ECC error encountered',
      'RuntimeError: NCCL error in: ../ProcessGroupNCCL.cpp:825, unhandled system error',
    ].join('\n');
    const found = classifyExit(failed, log);
    assert.equal(found.type, 'GpuFault');
    assert.match(found.line, /uncorrectable ECC/);
  });

  it('does not take a warning of the driver for what stopped the trainer', () => {
    const log = [
      '/glee/torch/cuda/__init__.py:88: UserWarning: CUDA initialization: CUDA driver initialization failed, you might not have a CUDA gpu.',
      "KeyError: 'Non-existent config key: SOLVER.MAXITER'",
    ].join('\n');
    assert.equal(classifyExit(failed, log).type, 'TrainerConfig');
  });

  it('believes a cause more than the signal that ended what was left', () => {
    assert.equal(
      classifyExit(killed('SIGABRT'), spawned('OSError: [Errno 28] No space left on device')).type,
      'DiskFull',
    );
  });

  it('believes a signal more than the connections that it broke', () => {
    const found = classifyExit(killed('SIGKILL'), 'RuntimeError: Connection reset by peer\n');
    assert.equal(found.type, 'TrainerKilled');
    assert.equal(found.message, 'SIGKILL ended the trainer');
  });

  it('believes that a rank was killed more than what its peers lost', () => {
    const log = `RuntimeError: Broken pipe\n${traceback}\ntorch.multiprocessing.spawn.ProcessExitedException: process 1 terminated with signal SIGKILL\n`;
    const found = classifyExit(failed, log);
    assert.equal(found.type, 'TrainerKilled');
    assert.equal(found.message, 'SIGKILL ended the trainer');
    assert.match(found.line, /process 1 terminated with signal SIGKILL/);
  });

  it('passes over errors that the trainer lived through', () => {
    const log = [
      'A matching Triton is not available, some optimizations will not be enabled',
      traceback,
      "ModuleNotFoundError: No module named 'triton'",
      progress,
      'RuntimeError: NCCL communicator was aborted on rank 0.',
    ].join('\n');
    assert.equal(classifyExit(failed, log).type, 'PeerLost');
  });

  it('believes our own refusal of the weights, whatever else there is', () => {
    const refusal =
      "glee: initial weights w.pth match 3 % of the model's parameters (limit 50 %); not matched: glee.backbone. (412 keys, 196 M parameters)";
    const survived = `${traceback}\nModuleNotFoundError: No module named 'triton'`;
    const end = `${traceback}\ntorch.multiprocessing.spawn.ProcessExitedException: process 0 terminated with exit code 1`;
    const found = classifyExit(failed, `${survived}\n${refusal}\n${end}`);
    assert.deepEqual([found.type, found.line], ['WrongWeights', refusal]);
    const measured = "glee: initial weights w.pth match 97 % of the model's parameters";
    assert.equal(classifyExit(failed, `${measured}\nKeyError: 'x'`).type, 'TrainerConfig');
  });

  it("passes over PyTorch's warnings of tries to meet that came too early", () => {
    const log = [
      '[W socket.cpp:601] [c10d] The client socket has failed to connect to [10.0.0.1]:29500 (errno: 111 - Connection refused).',
      '[rank1]:[W1102 12:00:00.123456 socket.cpp:697] [c10d] The client socket has failed to connect (errno: 111 - Connection refused).',
      'RuntimeError: something that no one has seen before',
    ].join('\n');
    assert.equal(classifyExit(failed, log).type, 'TrainerCrashed');
  });

  it('passes over the exceptions that Python itself ignores, as those of data loaders that are ended', () => {
    const log = [
      'Exception ignored in: <function _MultiProcessingDataLoaderIter.__del__ at 0x7f1d2c0b5ee0>',
      'Traceback (most recent call last):',
      '  File "/opt/torch/utils/data/dataloader.py", line 1328, in __del__',
      '    self._shutdown_workers()',
      '  File "/usr/lib/python3.8/multiprocessing/process.py", line 160, in is_alive',
      "    assert self._parent_pid == os.getpid(), 'can only test a child process'",
      'AssertionError: can only test a child process',
      'RuntimeError: NCCL communicator was aborted on rank 9.',
    ].join('\n');
    assert.equal(classifyExit(failed, log).type, 'PeerLost');
  });

  it("passes over what Python's resource tracker says of processes that were killed", () => {
    const log = `${traceback}\nKeyError: '/mp-x4xk3b1q'\n`;
    assert.equal(classifyExit(killed('SIGKILL'), log).type, 'TrainerKilled');
  });

  it('does not blame the settings for an error in mid-training: they have let it train', () => {
    const log = `${progress}\n${traceback}\nAttributeError: 'NoneType' object has no attribute 'shape'\n`;
    const found = classifyExit(failed, log);
    assert.equal(found.type, 'TrainerCrashed');
    assert.equal(found.line, "AttributeError: 'NoneType' object has no attribute 'shape'");
  });

  it('does not blame the annotations for JSON that cannot be read in mid-training', () => {
    const last = 'json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)';
    assert.equal(classifyExit(failed, spawned(last)).type, 'DamagedData');
    assert.equal(classifyExit(failed, `${progress}\n${spawned(last)}`).type, 'TrainerCrashed');
  });

  it('names a NaN in mid-training whoever meets it first', () => {
    const log = `${progress}\n${traceback}\nValueError: matrix contains invalid numeric entries\n`;
    assert.equal(classifyExit(failed, log).type, 'NonFiniteLoss');
  });
});

describe('classifyExit, when the log says nothing', () => {
  it('calls it TrainerKilled after a signal, which need not have come to the first process', () => {
    for (const [exit, signal] of [
      [killed('SIGTERM'), 'SIGTERM'],
      // launch.py does sys.exit(-9), a shell adds 128.
      [{ ...failed, code: 256 - 9 }, 'SIGKILL'],
      [{ ...failed, code: 128 + 9 }, 'SIGKILL'],
      [{ ...failed, code: 128 + 11 }, 'SIGSEGV'],
    ] as const) {
      const found = classifyExit(exit, `${progress}\n`);
      assert.deepEqual([found.type, found.message], ['TrainerKilled', `${signal} ended the trainer`]);
    }
  });

  it('calls it TrainerLost when no one recorded how it ended', () => {
    assert.equal(classifyExit(undefined, progress).type, 'TrainerLost');
    assert.equal(classifyExit(undefined, '').type, 'TrainerLost');
  });

  it('still names the cause when the status is lost but the log is not', () => {
    assert.equal(classifyExit(undefined, 'torch.OutOfMemoryError: CUDA out of memory.').type, 'OutOfMemory');
  });

  it('calls it TrainerCrashed otherwise, with exit status and last line', () => {
    const found = classifyExit({ ...failed, code: 255 }, `${traceback}\nRuntimeError: odd\n\n`);
    assert.equal(found.type, 'TrainerCrashed');
    assert.equal(found.message, 'exit status 255; its last line: RuntimeError: odd');
  });

  it("strips the colours and the time that detectron2's log puts before a line", () => {
    const log =
      '\u001b[32m[11/02 12:00:00 d2.engine.train_loop]: \u001b[0mFloatingPointError: Loss became infinite or NaN at iteration=7!\n';
    const found = classifyExit(failed, log);
    assert.equal(found.line, 'FloatingPointError: Loss became infinite or NaN at iteration=7!');
  });
});
