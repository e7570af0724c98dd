/**
 * @module What lines of a trainer's log mean: wordings of Python, glibc, PyTorch 1.x to 2.x, NCCL, CUDA, detectron2 and fvcore.
 */
import type { FailureType } from '../../../contracts/failures.ts';

export interface Rule {
  readonly type: FailureType;
  readonly pattern: RegExp;
  readonly advice: string;
}

/** First match wins. Wordings are those of Python, PyTorch 1.x to 2.x, detectron2 and fvcore. */
const RULES: readonly Rule[] = [
  {
    type: 'WrongWeights',
    // Ours: trainer/weights_coverage.py.
    pattern: /^glee: initial weights .* match .* \(limit [^)]*\)/,
    advice: 'give weights of this model, or lower limits.coverage if the rest is meant to start again',
  },
  {
    type: 'MissingFile',
    // Ours: trainer/same_checkpoint.py.
    pattern: /^glee: not all ranks can read checkpoint /,
    advice: 'every host of the gang needs the same checkpoint: look at the logs of those that lack it',
  },
  {
    type: 'TrainerConfig',
    // Ours: trainer/declared_datasets.py.
    pattern: /^glee: data sets? .*(is registered already|categories)/,
    advice: "mend the task's data sets in the fine-tune's config, or their annotations",
  },
  {
    type: 'TrainerKilled',
    pattern:
      /DataLoader worker \(pid[^)]*\)? ?\S* (is killed by signal|exited unexpectedly)|Pin memory thread exited unexpectedly/,
    advice: 'the host may be out of memory or /dev/shm: lower DATALOADER.NUM_WORKERS if it comes back',
  },
  {
    // Before a full disk and a missing file: what is full or gone is /dev/shm, or a worker that shared its memory.
    type: 'TrainerCrashed',
    pattern:
      /shared memory object|<\/torch_|^\w+Error: .*\/dev\/shm\/|insufficient shared memory|out of shared memory/,
    advice:
      'data-loader workers share data in /dev/shm: enlarge it, raise `ulimit -n`, or lower DATALOADER.NUM_WORKERS',
  },
  {
    // A file that has a name is missing; one without was a socket or a queue of a process that has ended.
    type: 'TrainerCrashed',
    pattern:
      /^FileNotFoundError: \[Errno 2\] No such file or directory$|^FileNotFoundError: .*(\/pymp-|\/listener-)/,
    advice: 'a data-loader worker ended while its data was read: see what ended it',
  },
  {
    type: 'TrainerCrashed',
    pattern: /Too many open files|received \d+ items of ancdata/,
    advice: 'raise `ulimit -n` for the GPU worker, or lower DATALOADER.NUM_WORKERS',
  },
  {
    type: 'TrainerCrashed',
    pattern: /^(\w+\.)*(_Array)?MemoryError\b|Cannot allocate memory|can't allocate memory/,
    advice: 'the host is out of memory: lower DATALOADER.NUM_WORKERS, or end what else runs there',
  },
  {
    type: 'OutOfMemory',
    pattern:
      /CUDA out of memory|CUDA error: out of memory|Cuda failure (\d+ )?'out of memory'|OutOfMemoryError|(CUBLAS|CUDNN)_STATUS_ALLOC_FAILED/,
    advice: 'lower DATALOADER.DATASET_BS or INPUT sizes, or use GPUs with more memory',
  },
  {
    type: 'DiskFull',
    pattern: /No space left on device|PytorchStreamWriter failed writing|Disk quota exceeded/,
    advice: 'free space below GLEE_SCRATCH on the host',
  },
  {
    type: 'NonFiniteLoss',
    // The matcher of MaskDINO meets the NaN before detectron2's own check of the loss does.
    pattern: /FloatingPointError: |matrix contains invalid numeric entries|cost matrix is infeasible/,
    advice: 'lower SOLVER.BASE_LR or turn on gradient clipping if it comes back',
  },
  {
    type: 'ImportError',
    pattern:
      /^(ModuleNotFoundError|ImportError|SyntaxError|IndentationError|TabError): |cannot open shared object file/,
    advice: "install GLEE's requirements for GLEE_PYTHON on the host",
  },
  {
    type: 'MissingFile',
    pattern:
      /^FileNotFoundError: |^NotADirectoryError: |AssertionError: (Checkpoint|Config file) .* (not found|does not exist)|OSError: File .* not found on main worker|No such file or directory/,
    advice: 'put the file there, or mend the path in the config or DETECTRON2_DATASETS',
  },
  {
    type: 'DamagedData',
    pattern: /^(json\.(decoder\.)?|simplejson\.\S+\.)?JSONDecodeError: |^UnicodeDecodeError: /,
    advice:
      'annotations are no JSON in UTF-8 as Python reads it: fetch or convert them; a byte order mark must go (`sed -i "1s/^\\xEF\\xBB\\xBF//" FILE`)',
  },
  {
    type: 'TrainerKilled',
    pattern: /^slurmstepd: .*oom.kill|oom-kill:|Out of memory: Killed process/i,
    advice: 'the host is out of memory: lower DATALOADER.NUM_WORKERS, or end what else runs there',
  },
  {
    type: 'GpuFault',
    // A warning may be lived through; what stops the trainer has a line of its own. `cuda is not available` is
    // detectron2's assertion after such a warning.
    pattern:
      /^(?!.*Warning: ).*(uncorrectable (ECC|NVLink) error|ERROR_ECC_UNCORRECTABLE|NVRM: Xid|GPU is lost|fallen off the bus|CUDA driver initialization failed|CUDA_ERROR_NOT_INITIALIZED|no CUDA-capable device|No CUDA GPUs are available|Found no NVIDIA driver|cuda is not available|CUDA unknown error|CUDA error: (unknown error|system not yet initialized|hardware stack error)|(Failed to|Can't) initialize NVML|Unable to determine the device handle)/i,
    advice: 'a fault of a GPU or its driver: see dmesg (Xid) and nvidia-smi -q on the host',
  },
  {
    type: 'TrainerCrashed',
    pattern: /CUDA error: |cuDNN error: |unhandled cuda error|ncclUnhandledCudaError/i,
    advice:
      'a fault of the program, as an index out of range, or of a GPU: CUDA_LAUNCH_BLOCKING=1 shows where',
  },
  {
    type: 'TrainerKilled',
    pattern:
      /double free or corruption|^corrupted (size|double-linked)|^(malloc|free|realloc|munmap_chunk)\(\): |^Fatal Python error: (Segmentation fault|Aborted|Bus error|Illegal instruction|Floating)/,
    advice: 'a fault in native code: a driver, a library, or memory of the host',
  },
  {
    type: 'RendezvousFailed',
    pattern:
      /Address already in use|EADDRINUSE|client socket has timed out|store.*timed out|Timed out initializing process group|No route to host|Name or service not known|Temporary failure in name resolution|Connection refused/i,
    advice: 'the ranks could not meet: check that the hosts reach each other (GLEE_ADDRESS)',
  },
  {
    type: 'PeerLost',
    pattern:
      /Connection (closed|reset) by peer|NCCL (error|communicator was aborted)|ncclRemoteError|ncclSystemError|Broken pipe|Socket Timeout|Watchdog caught collective operation timeout/i,
    advice: 'another rank went away',
  },
  {
    type: 'TrainerConfig',
    pattern: /^(KeyError|AssertionError|ValueError|AttributeError|TypeError|yaml\.\S+Error|\S+\.py: error): /,
    advice: 'mend the setting that the line names',
  },
];

/** The first rule that names the text, which has no prefix and is of bounded length. */
export function ruleOf(text: string): Rule | undefined {
  return RULES.find(({ pattern }) => pattern.test(text));
}
