/**
 * @module Gives a trainer's end its name, from the exit status and the log.
 *
 * A name that stops a run for good needs an exit that fits it: that of a Python exception which nothing handled. After
 * a signal, or where the status is lost, the log's errors may be older than the end, and the run is tried again.
 */
import { constants } from 'node:os';
import { FAILURES, type FailureType } from '../../../contracts/failures.ts';
import { readCrashLog, type CrashLog, type Statement } from './crash-log.ts';
import { ruleOf } from './crash-rules.ts';
import { signatureOf } from './failure-signature.ts';
import type { TrainerExit } from '../jobs/job.ts';

export interface Classified {
  readonly type: FailureType;
  /** What happened and, where a person has to act, what to do. */
  readonly message: string;
  /** The line of the log that tells most. */
  readonly line: string;
  /** See FailureDetails; of a failure that is tried again. */
  readonly signature?: string;
}

/** Consequences of another rank's end: believed only when nothing on this host explains it. */
const CONSEQUENCES: ReadonlySet<FailureType> = new Set(['PeerLost', 'RendezvousFailed']);
/** What is full stays full: believed also of a process that aborts, or whose exit status is lost. */
const RESOURCES: ReadonlySet<FailureType> = new Set(['OutOfMemory', 'DiskFull']);
/** Of an exception that was raised while another was handled, the first one tells more if it is one of these. */
const ROOTS: ReadonlySet<FailureType> = new Set(['OutOfMemory', 'DiskFull', 'NonFiniteLoss', 'GpuFault']);

const BEFORE_TRAINING: ReadonlySet<FailureType> = new Set(['TrainerConfig', 'DamagedData']);
/** What exceptions without a better name are called. */
const GENERAL: ReadonlySet<FailureType> = new Set(['TrainerConfig', 'TrainerCrashed']);

/** A line that names the cause says more than a signal, a signal more than a consequence. */
export function classifyExit(exit: TrainerExit | undefined, logTail: string): Classified {
  const log = readCrashLog(logTail);
  const signal = signalOf(exit) ?? signalOfRank(log.lines);
  const fits = (type: FailureType) =>
    FAILURES[type] !== 'stop' ||
    (signal === undefined && exit !== undefined) ||
    ((signal === undefined || signal === 'SIGABRT') && RESOURCES.has(type));
  const named = log.statements.flatMap((one) => nameStatement(one, log.trained));
  // Ours alone is certain: a trainer may live through whatever else its log complains of.
  const refused = named.find(({ line }) => line.startsWith('glee: '));
  if (refused !== undefined && signalOf(exit) === undefined) return refused.classified;
  const raised = failing(log, named);
  const cause = causeOf(log, named, raised, fits);
  if (cause !== undefined) return cause;
  const consequence = named.find(({ type }) => CONSEQUENCES.has(type))?.classified;
  // NCCL's watchdog aborts the process that lost its peers.
  if (signal === 'SIGABRT' && consequence !== undefined) return consequence;
  const last = log.lines.at(-1) ?? '';
  if (signal !== undefined)
    return { type: 'TrainerKilled', line: last, message: `${signal} ended the trainer` };
  if (consequence !== undefined) return consequence;
  const line = raised?.text ?? last;
  if (exit === undefined) {
    return { type: 'TrainerLost', line, message: 'the trainer is gone and its exit status was not recorded' };
  }
  const message = `exit status ${exit.code}; its last line: ${line}`;
  return { type: 'TrainerCrashed', line, message, ...signatureOf(raised) };
}

interface Named {
  readonly statement: Statement;
  readonly kind: Statement['kind'];
  readonly type: FailureType;
  readonly line: string;
  readonly classified: Classified;
}

function nameStatement(statement: Statement, trained: boolean): Named[] {
  const { text: line } = statement;
  const rule = ruleOf(line);
  if (rule === undefined) return [];
  // Settings and data that let it train are not what stopped it.
  const isSetting = BEFORE_TRAINING.has(rule.type) && trained;
  const type = isSetting ? 'TrainerCrashed' : rule.type;
  const message = isSetting ? line : `${line} (${rule.advice})`;
  const isTriedAgain = FAILURES[type] === 'retry' && type !== 'TrainerKilled' && !CONSEQUENCES.has(type);
  const signature = isTriedAgain ? signatureOf(statement) : {};
  return [{ statement, kind: statement.kind, type, line, classified: { type, line, message, ...signature } }];
}

/** The exception that ended the process: the last that is no consequence and was not handled. */
function failing({ statements }: CrashLog, named: readonly Named[]): Statement | undefined {
  const consequences = new Set(
    named.filter(({ type }) => CONSEQUENCES.has(type)).map(({ statement }) => statement),
  );
  const raised = statements.findLast((one) => one.kind === 'raised' && !consequences.has(one));
  if (raised !== undefined) return raised;
  const last = statements.at(-1);
  // A warning's own traceback is followed by something; what stands last was raised after the warning.
  return last?.kind === 'logged' ? last : undefined;
}

function causeOf(
  { statements }: CrashLog,
  named: readonly Named[],
  raised: Statement | undefined,
  fits: (type: FailureType) => boolean,
): Classified | undefined {
  const believed = named.filter(
    ({ type, kind }) => !CONSEQUENCES.has(type) && fits(type) && (kind !== 'past' || type === 'GpuFault'),
  );
  const own = believed.find(({ statement }) => statement === raised);
  const isGeneral = own === undefined || GENERAL.has(own.type);
  if (!isGeneral) return own.classified;
  const place = raised === undefined ? -1 : statements.indexOf(raised);
  // Lines behind an exception are more of its message.
  const root = believed.find(
    ({ type, kind, statement }) =>
      type === 'GpuFault' || (ROOTS.has(type) && (kind === 'aside' || statements.indexOf(statement) > place)),
  );
  const beside = believed.find(({ type }) => FAILURES[type] === 'retry');
  // Programs that end before there is an exception say so in their last words.
  const hasRaised = statements.some(({ kind }) => kind === 'raised');
  const word = hasRaised ? undefined : believed.findLast(({ kind }) => kind === 'line');
  return (root ?? (own?.type === 'TrainerConfig' ? (beside ?? own) : (own ?? beside ?? word)))?.classified;
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

/** What torch.multiprocessing.spawn and torchrun say of the first rank that a signal ended while they lived. */
function signalOfRank(lines: readonly string[]): string | undefined {
  const root = lines.findLastIndex((line) => line.startsWith('Root Cause '));
  return lines
    .slice(Math.max(0, root))
    .map((line) =>
      /process \d+ terminated with signal (SIG\w+)|Signal \d+ \((SIG\w+)\) received by PID/.exec(line),
    )
    .map((match) => match?.[1] ?? match?.[2])
    .find((name) => name !== undefined);
}
