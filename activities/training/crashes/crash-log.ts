/**
 * @module The end of a trainer's log as statements: exceptions that were raised, told apart from those that were
 * handled, and the lines beside them. Time and memory are linear in the log, whatever a trainer prints.
 */
import { stripVTControlCharacters } from 'node:util';

/** A metrics line of GLEE's has some 1,500 characters; what tells of a failure stands before that. */
const MAX_LINE_CHARACTERS = 2000;
/** Ranks on one host, and more. */
const MAX_STREAMS = 64;

export interface Statement {
  /** Without the prefixes of loggers and ranks. */
  readonly text: string;
  /**
   * `raised`: an exception that may have ended the process; `logged`: one behind a warning, which may have been handled;
   * `aside`: of a thread or a child, or what a later one was raised in. `past`: a line that the trainer lived through.
   */
  readonly kind: 'line' | 'raised' | 'logged' | 'aside' | 'past';
  /** Of an exception: `engine.py:12 in run`, where it was raised. */
  readonly frame?: string;
}

export interface CrashLog {
  /** All lines since the last one of progress, which is the first where there was progress. */
  readonly lines: readonly string[];
  /** Iterations were done. */
  readonly trained: boolean;
  /** In the order of the log, without what the trainer lived through. */
  readonly statements: readonly Statement[];
}

/** A trainer lives through the errors before its last line of progress, and before any later word of its logger. */
export function readCrashLog(logTail: string): CrashLog {
  const lines = logTail
    .split('\n')
    .map((line) => stripVTControlCharacters(line.slice(0, MAX_LINE_CHARACTERS)).trimEnd())
    .filter((line) => line !== '');
  const progress = lines.findLastIndex((line) => / iter: \d+ /.test(line) && line.includes('total_loss: '));
  const since = lines.slice(Math.max(0, progress));
  return { lines: since, trained: progress !== -1, statements: readStatements(since) };
}

/** The logger of detectron2, at its levels INFO and WARNING; its last words come also after an exception. */
const LIFE =
  /^(?:WARNING )?\[\d\d\/\d\d \d\d:\d\d:\d\d [\w.]+\]: (?!(?:Overall training speed|Total training time))/;
const RANK_PREFIX = /^\[(?:rank|default)(\d+)\]: ?/;
const LOG_PREFIX = /^(?:\[[^\]]*\]:?\s*)+/;
/** PyTorch's warnings of each try to meet, and what Python's resource tracker says of a process that was killed. */
const NOISE = /^(?:\[\w+\]:)*\[W\d*\s|^KeyError: '\/(mp|psm|loky|torch)[-_]/;

function readStatements(lines: readonly string[]): readonly Statement[] {
  const streams = new Map<string, TracebackReader>();
  const said: Statement[] = [];
  let lived = 0;
  for (const line of lines) {
    const rank = RANK_PREFIX.exec(line);
    const stream = rank !== null && streams.size < MAX_STREAMS ? (rank[1] ?? '') : '';
    const reader = streams.get(stream) ?? new TracebackReader();
    streams.set(stream, reader);
    const read = reader.read(rank === null ? line : line.slice(rank[0].length));
    if (read === 'context') putLastAside(said);
    else if (read !== 'traceback' && !NOISE.test(read.text) && !NOISE.test(line)) {
      if (LIFE.test(line) && !EXCEPTION.test(read.text)) lived = said.length;
      said.push(read);
    }
  }
  const past = said.slice(0, lived).filter(({ kind }) => kind === 'line');
  return [...past.map(({ text }) => ({ text, kind: 'past' }) as const), ...said.slice(lived)];
}

/** What was raised last was handled by what raised the next. */
function putLastAside(said: Statement[]): void {
  const last = said.findLastIndex(({ kind }) => kind === 'raised');
  const one = said[last];
  if (one !== undefined) said[last] = { ...one, kind: 'aside' };
}

const EXCEPTION = /^(?:\w+\.)*\w*(?:Error|Exception|KeyboardInterrupt)(?:_\w+)?(?::|$)/;
const BEGIN = /^(?:Original )?Traceback \(most recent call last\):/;
const FRAME = /^\s+File "(?:[^"]*\/)?([^"/]*)", line (\d+)(?:, in (\S+))?/;
/** What `raise` within `except` prints between two tracebacks. */
const CONTEXT =
  /^(?:During handling of the above exception, another exception occurred|The above exception was the direct cause of the following exception):/;
/** Launchers say that a process failed; why, it has said itself. */
const LAUNCHER =
  /^(?:[\w.]+\.)?(?:ProcessRaisedException|ChildFailedError|CalledProcessError|ProcessExitedException)\b|^Exception:(?: process \d+ terminated .*)?$/;
/** A traceback after such a line was written by who handled it. */
const LOGGED = /\bWARN(?:ING)?\b/;
/** Python drops these; xformers goes without Triton. */
const IGNORED = /^Exception ignored in|Triton is not available/;
/** What ended a thread or a child. */
const ELSEWHERE = /^Exception in thread |^Process [\w-]+:$/;
type Raised = 'raised' | 'logged' | 'aside' | 'ignored';

/** Reads one process's lines; tracebacks of several may be mixed where they bear their rank. */
class TracebackReader {
  #inside = false;
  #frame: string | undefined;
  #as: Raised = 'raised';

  /** @returns What the line says; `traceback` where it is part of one; `context` where the last exception was handled. */
  read(line: string): Statement | 'traceback' | 'context' {
    if (BEGIN.test(line)) return this.#enter();
    if (this.#inside && /^\s/.test(line)) return this.#note(line);
    const [as, frame, inside] = [this.#as, this.#frame, this.#inside];
    [this.#inside, this.#frame, this.#as] = [false, undefined, raisedAfter(line)];
    if (CONTEXT.test(line)) return 'context';
    const text = line.replace(LOG_PREFIX, '').trim();
    const isException = EXCEPTION.test(text) || (inside && as !== 'ignored');
    if (!isException || LAUNCHER.test(text)) return { text, kind: 'line' };
    if (as === 'ignored') return 'traceback';
    return { text, kind: as, ...(frame !== undefined && { frame }) };
  }

  #enter(): 'traceback' {
    [this.#inside, this.#frame] = [true, undefined];
    return 'traceback';
  }

  #note(line: string): 'traceback' {
    const [, file, number, where] = FRAME.exec(line) ?? [];
    if (file !== undefined) this.#frame = `${file}:${number} in ${where ?? '<module>'}`;
    return 'traceback';
  }
}

/** What a traceback behind the line would be. */
function raisedAfter(line: string): Raised {
  if (IGNORED.test(line)) return 'ignored';
  if (LOGGED.test(line)) return 'logged';
  return ELSEWHERE.test(line) ? 'aside' : 'raised';
}
