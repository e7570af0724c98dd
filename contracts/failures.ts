/**
 * @module Every failure that has a name. Workflows branch on the name, never on a message.
 *
 * `retry`: a new attempt may go better. `stop`: it would fail the same way, a person has to change something.
 * `secondary`: a consequence of another rank's failure, never blamed while a primary one is known.
 */

export const FAILURES = {
  /** The config, the plan or the run's input is wrong. The user mends the file that the message names. */
  InvalidConfig: 'stop',
  /** The run id is taken by a run with another plan. The user picks another id, or restores the config. */
  PlanChanged: 'stop',
  /** The bucket does not exist, or refuses. The user mends bucket, endpoint or rights. */
  StorageRefused: 'stop',
  /** A file that the trainer needs is not there: checkout, config, data set, weights. */
  MissingFile: 'stop',
  /** The trainer's own settings make it fail at start: assertion, KeyError, ValueError. */
  TrainerConfig: 'stop',
  /** A Python module is missing or broken on the host. */
  ImportError: 'stop',
  /** A file of a data set cannot be parsed, as annotations that are no JSON. The user mends or fetches it. */
  DamagedData: 'stop',
  /** A GPU ran out of memory: the same batch will again. */
  OutOfMemory: 'stop',
  /** A source of weights refuses, or has no such file: its address or a token has to be mended. */
  SourceRefused: 'stop',
  /** The weights on the host are not the ones the plan names, or match too little of the model. */
  WrongWeights: 'stop',
  /** S3 has a checkpoint no more as it was committed. Tried again from the one before. */
  DamagedCheckpoint: 'retry',
  /** The head of the stage is not what this pipeline writes: unreadable, or with a token far ahead of the clock. A person puts it right. */
  DamagedHead: 'stop',
  /** No checkpoint of the stage is whole any more. A person brings one back, or deletes the head to start again. */
  NoGoodCheckpoint: 'stop',
  /** No space left for checkpoints or weights on the host. Stops once no other host is left to try. */
  DiskFull: 'stop',
  /** The loss became infinite or NaN. Tried again from the newest checkpoint, within the budget. */
  NonFiniteLoss: 'retry',
  /** The loss left its usual height far behind. As with a loss that is no number. */
  LossSpike: 'retry',
  /** A GPU or its driver failed: Xid, ECC, CUDA that cannot be initialised. The pool sets the host aside. */
  GpuFault: 'retry',
  /** A check of the host before the attempt failed, or could not be made. */
  HostUnfit: 'retry',
  /** A person decided that the stage ends here. */
  StoppedByPerson: 'stop',
  /** The trainer exited non-zero for a reason without a name of its own; the log's last line is in the message. */
  TrainerCrashed: 'retry',
  /** The trainer failed with the same error at the same iteration again and again: its program or its settings have to be mended. */
  RepeatedCrash: 'stop',
  /** A signal ended the trainer: the kernel's OOM killer, a person, a fault. */
  TrainerKilled: 'retry',
  /** The trainer is gone and no one recorded how: the host restarted, or the shim was killed with it. */
  TrainerLost: 'retry',
  /** No progress for longer than the stall time-out. */
  Hang: 'retry',
  /** The ranks could not meet: port taken, address wrong, time-out at start. */
  RendezvousFailed: 'retry',
  /** Another rank went away. */
  PeerLost: 'secondary',
  /** The stage failed so often without a newer checkpoint that more attempts are a waste. */
  BudgetSpent: 'stop',
  /** No one polls the host's queue any more. */
  HostLost: 'retry',
  /** A newer attempt owns the stage: this one must not write, and has killed its trainer. */
  Superseded: 'secondary',
} as const satisfies Record<string, 'retry' | 'stop' | 'secondary'>;

export type FailureType = keyof typeof FAILURES;

/** Failures that are tried again count against the budget of their class. */
export type FailureClass = 'trainer' | 'hang' | 'host' | 'divergence' | 'checkpoint';

const CLASSES: Readonly<Record<FailureClass, readonly FailureType[]>> = {
  trainer: ['TrainerCrashed', 'TrainerKilled', 'TrainerLost', 'RendezvousFailed', 'PeerLost', 'Superseded'],
  hang: ['Hang'],
  host: ['HostLost', 'HostUnfit', 'GpuFault'],
  divergence: ['NonFiniteLoss', 'LossSpike'],
  checkpoint: ['DamagedCheckpoint'],
};
export const FAILURE_CLASSES = [
  'trainer',
  'hang',
  'host',
  'divergence',
  'checkpoint',
] as const satisfies readonly FailureClass[];

/** Undefined for a failure that counts against none: it stops the stage at once. */
export function classOf(type: FailureType): FailureClass | undefined {
  return FAILURE_CLASSES.find((failureClass) => CLASSES[failureClass].includes(type));
}

/** What a person needs to know of a failure; travels as the details of an ApplicationFailure. */
export interface FailureDetails {
  /** Host it happened on, when it happened on one. */
  readonly host?: string;
  /** The line of the trainer's log that tells most. */
  readonly line?: string;
  /** Epoch milliseconds on the host's clock. */
  readonly at?: number;
  /** S3 key of the trainer's log. */
  readonly log?: string;
  /**
   * Equal for two failures of the same cause: the exception and where it was raised, without pids, times, addresses
   * and hosts. Absent where the log shows no exception.
   */
  readonly signature?: string;
  /** Iterations of the stage that were done when it failed. */
  readonly iteration?: number;
  /** Iterations that the attempt ran before it failed. */
  readonly iterationsRun?: number;
  /** S3 key of the checkpoint that is not what was committed. */
  readonly damaged?: string;
  /** The host reports it for its whole gang: the fault may be on any of its hosts. */
  readonly ofGang?: true;
}

/** A failure that has a name: what an attempt ended with, as workflows pass it around. */
export interface NamedFailure extends FailureDetails {
  readonly type: FailureType;
  readonly message: string;
}

export function isFailureType(type: string | null | undefined): type is FailureType {
  return typeof type === 'string' && Object.hasOwn(FAILURES, type);
}

/** What the innermost failure says; those around it say only who passed it on. */
export function innermostMessage(error: Error): string {
  return error.cause instanceof Error ? innermostMessage(error.cause) : error.message;
}
