"""Starts one process a rank and watches over them, as torch.multiprocessing.spawn does.

Processes are forked, not spawned: the ranks find Python's imports already done.
"""

import os
import signal
import sys
import time
import traceback

from .lifeline import Lifeline


class ProcessRaisedException(Exception):
    """A rank ended with an exception."""


class ProcessExitedException(Exception):
    """A rank was killed."""


for _exception in (ProcessRaisedException, ProcessExitedException):
    # Shown in tracebacks: whoever reads the log knows it from torch.
    _exception.__module__ = "torch.multiprocessing.spawn"

_GRACE_S = 3.0
# What the pipe from a rank holds without a reader.
_LONGEST_TRACEBACK = 60_000


def spawn(run, count):
    """Calls run(local_rank, lifeline) in so many processes; returns when all have ended well."""
    _Ranks(count, run).wait()


class _Ranks:
    """The processes of this machine's ranks."""

    def __init__(self, count, run):
        sys.stdout.flush()
        sys.stderr.flush()
        read_end, self._write_end = os.pipe()
        self._errors = {}  # local rank -> where its traceback can be read
        self._running = {}  # pid -> local rank
        for local_rank in range(count):
            error_read, error_write = os.pipe()
            pid = os.fork()
            if pid == 0:
                os.close(self._write_end)
                _run_rank(run, local_rank, Lifeline(read_end), error_write)
            os.close(error_write)
            self._errors[local_rank] = error_read
            self._running[pid] = local_rank
        os.close(read_end)

    def wait(self):
        """Returns when all ranks ended well; otherwise ends the others and raises what torch raises."""
        try:
            while self._running:
                failed = [end for end in self._reap() if end[1] != 0]
                if failed:
                    # The peers of a killed rank fail too. It is the one to name, if they were reaped together.
                    raise self._exception(*min(failed, key=lambda end: not os.WIFSIGNALED(end[1])))
        finally:
            self._end_all()

    def _reap(self):
        """(local rank, wait status) of ranks that have ended; waits for at least one."""
        ended = [os.waitpid(-1, 0)]
        while len(ended) < len(self._running):
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            ended.append((pid, status))
        return [(self._running.pop(pid), status) for pid, status in ended]

    def _exception(self, local_rank, status):
        if os.WIFSIGNALED(status):
            name = signal.Signals(os.WTERMSIG(status)).name
            return ProcessExitedException(f"process {local_rank} terminated with signal {name}")
        with open(self._errors[local_rank], encoding="utf-8") as pipe:
            text = pipe.read()
        if not text:
            return ProcessExitedException(f"process {local_rank} terminated with exit code {os.WEXITSTATUS(status)}")
        return ProcessRaisedException(f"\n\n-- Process {local_rank} terminated with the following error:\n{text}")

    def _end_all(self):
        """SIGTERM, and SIGKILL for those that do not listen: a stopped process does not."""
        for sent, patience_s in ((signal.SIGTERM, _GRACE_S), (signal.SIGKILL, _GRACE_S)):
            for pid in self._running:
                os.kill(pid, sent)
            deadline = time.monotonic() + patience_s
            while self._running and time.monotonic() < deadline:
                for pid in list(self._running):
                    if os.waitpid(pid, os.WNOHANG)[0]:
                        del self._running[pid]
                time.sleep(0.005)


def _run_rank(run, local_rank, lifeline, error_pipe):
    """The life of a forked rank; never returns into the parent's code."""
    status = 1
    try:
        run(local_rank, lifeline)
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except KeyboardInterrupt:
        pass  # Ctrl-C reaches the parent as well, which says so.
    except BaseException:
        os.write(error_pipe, traceback.format_exc().encode()[-_LONGEST_TRACEBACK:])
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except OSError:
            pass  # No one reads them any more.
        finally:
            os._exit(status)

