/**
 * @module Gives a trainer's end its name, from the exit status and the log.
 */
import { constants } from 'node:os';
import { stripVTControlCharacters } from 'node:util';
import type { FailureType } from '../../contracts/failures.ts';
import type { TrainerExit } from './job.ts';

export interface Classified {
  readonly type: FailureType;
  /** What happened and, where a person has to act, what to do. */
  readonly message: string;
  /** The line of the log that tells most. */
  readonly line: string;
}

interface Rule {
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
    advice: 'give weights of this model, or lower limits.coverage if the rest is meant to begin anew',
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
    type: 'OutOfMemory',
    pattern:
      /CUDA out of memory|CUDA error: out of memory|OutOfMemoryError|(CUBLAS|CUDNN)_STATUS_ALLOC_FAILED/,
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
    pattern: /^(ModuleNotFoundError|ImportError): |cannot open shared object file/,
    advice: "install GLEE's requirements for GLEE_PYTHON on the host",
  },
  {
    type: 'MissingFile',
    pattern:
      /^FileNotFoundError: |^NotADirectoryError: |AssertionError: (Checkpoint|Config file) .* (not found|does not exist)|OSError: File .* not found on main worker|No such file or directory/,
    advice: 'put the file there, or mend the path in the config or DETECTRON2_DATASETS',
  },
  {
    type: 'TrainerKilled',
    pattern: /DataLoader worker \(pid.*\) is killed by signal/,
    advice: 'the host may be out of memory or /dev/shm: lower DATALOADER.NUM_WORKERS if it comes back',
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

/** Consequences of another rank's end: believed only when nothing on this host explains it. */
const CONSEQUENCES: ReadonlySet<FailureType> = new Set(['PeerLost', 'RendezvousFailed']);

/** A line that names the cause says more than a signal, a signal more than a consequence. */
export function classifyExit(exit: TrainerExit | undefined, logTail: string): Classified {
  const { lines, trained } = sinceProgress(logTail);
  const named = lines.flatMap((line) => nameLine(line, trained));
  // Ours alone is certain: a trainer may live through whatever else its log complains of.
  const refused = named.find(({ line }) => line.startsWith('glee: '));
  const cause = refused ?? named.find(({ type }) => !CONSEQUENCES.has(type));
  if (cause !== undefined) return cause;
  const line = lines.at(-1) ?? '';
  const killed = signalOf(exit) ?? killedRank(lines);
  if (killed !== undefined) return { type: 'TrainerKilled', line, message: `${killed} ended the trainer` };
  const [consequence] = named;
  if (consequence !== undefined) return consequence;
  if (exit === undefined) {
    return { type: 'TrainerLost', line, message: 'the trainer is gone and its exit status was not recorded' };
  }
  return {
    type: 'TrainerCrashed',
    line,
    message: `exit status ${String(exit.code)}; its last line: ${line}`,
  };
}

/**
 * What the log says after its last line of progress, which stays if there is nothing: a trainer lives through the
 * errors before it, as xformers prints the traceback of each optional module that it does not find.
 */
function sinceProgress(logTail: string): { readonly lines: readonly string[]; readonly trained: boolean } {
  const lines = stripVTControlCharacters(logTail)
    .replaceAll(IGNORED_EXCEPTION, '')
    .split('\n')
    .filter((line) => line.trim() !== '');
  const progress = lines.findLastIndex((line) => / iter: \d+ .*total_loss: /.test(line));
  return { lines: lines.slice(Math.max(0, progress)), trained: progress !== -1 };
}

/** With its traceback: data loaders that are ended complain of `AssertionError: can only test a child process`. */
const IGNORED_EXCEPTION = /^Exception ignored in.*\n(Traceback .*\n)?([ \t].*\n)*\w+(Error|Exception).*$/gm;

/** PyTorch's warnings of each try to meet, and what Python's resource tracker says of a process that was killed. */
const NOISE = /^(?:\[\w+\]:)*\[W\d*\s|^KeyError: '\/(mp|psm|loky|torch)[-_]/;

function nameLine(line: string, trained: boolean): Classified[] {
  if (NOISE.test(line)) return [];
  const text = line.replace(/^(?:\[[^\]]*\]:?\s*)+/, '').trim();
  const rule = RULES.find(({ pattern }) => pattern.test(text));
  if (rule === undefined) return [];
  // Settings that let it train are not what stopped it.
  if (rule.type === 'TrainerConfig' && trained)
    return [{ type: 'TrainerCrashed', line: text, message: text }];
  return [{ type: rule.type, line: text, message: `${text} (${rule.advice})` }];
}

/** Signals that end a trainer from outside or by a fault, as `launch.py` (256 - n) and shells (128 + n) pass them on. */
const PASSED_ON = ['SIGKILL', 'SIGTERM', 'SIGSEGV', 'SIGABRT', 'SIGBUS', 'SIGILL', 'SIGFPE'] as const;

function signalOf(exit: TrainerExit | undefined): string | undefined {
  const passedOn = PASSED_ON.find((name) => {
    const number = constants.signals[name];
    return exit?.code === 256 - number || exit?.code === 128 + number;
  });
  return exit?.signal ?? passedOn;
}

/** torch.multiprocessing.spawn's word for a rank that a signal ended while the parent lived. */
function killedRank(lines: readonly string[]): string | undefined {
  return lines.map((line) => /process \d+ terminated with signal (SIG\w+)/.exec(line)?.[1]).find(Boolean);
}
