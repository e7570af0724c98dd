"""Starts a trainer and outlives the worker that asked for it.

    python3 shim.py JOB_FOLDER WORKING_FOLDER COMMAND [ARGUMENT ...]

The worker starts this in a session of its own. It writes into the job folder

    trainer.log    what the trainer prints
    trainer.json   {"pid": ..., "startedAt": ...}        once the trainer runs
    exit.json      {"code": ..., "signal": ..., "at": ...}  once it has ended

so that the next worker knows how the trainer ended even when no worker was there. Times are epoch milliseconds.
The trainer ends with the shim: SIGTERM is passed on to it, and when the shim is killed, the kernel kills it.
Standard library only: it runs with whatever Python runs GLEE.
"""

import ctypes
import json
import os
import signal
import subprocess
import sys
import time

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
# A rank that hangs in a driver call does not die at once; the worker looks for what is left.
REAP_SECONDS = 5


# Of this process's C library; None where there is no prctl, as on other systems than Linux.
_prctl = getattr(ctypes.CDLL(None), "prctl", None)


def main() -> None:
    job, folder, *command = sys.argv[1:]
    shim = os.getpid()
    adopt_orphans()
    # This process must live to write the exit status. Before the trainer is there, SIGTERM ends it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with open(os.path.join(job, "trainer.log"), "ab", buffering=0) as log:
        try:
            trainer = subprocess.Popen(
                command,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                restore_signals=True,
                preexec_fn=lambda: end_with(shim),
            )
        except (OSError, subprocess.SubprocessError) as error:
            log.write(f"{type(error).__name__}: {error}\n".encode())
            write(job, "exit.json", {"code": 127, "signal": None, "at": now()})
            return
    signal.signal(signal.SIGTERM, lambda *_: end_group(trainer.pid, signal.SIGTERM))
    write(job, "trainer.json", {"pid": trainer.pid, "startedAt": now()})
    status = trainer.wait()
    ended = now()
    # Ranks whose parent was killed would hold the GPUs and the port that the next attempt needs.
    end_rest(trainer.pid)
    write(
        job,
        "exit.json",
        {
            "code": status if status >= 0 else None,
            "signal": signal.Signals(-status).name if status < 0 else None,
            "at": ended,
        },
    )


def adopt_orphans() -> None:
    """Makes orphaned ranks our children (Linux), so that they can be reaped; elsewhere they go to init as usual."""
    if _prctl:
        _prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_with(shim: int) -> None:
    """In the trainer's process, before it is executed: ends it when the shim is killed, which no one can hinder or see."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if _prctl:
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != shim:
        os.kill(os.getpid(), signal.SIGKILL)


def end_group(group: int, number: int) -> None:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        pass


def end_rest(group: int) -> None:
    """Ends all that the trainer left: its group, and as orphans of ours those that had gone to a group of their own."""
    end_group(group, signal.SIGKILL)
    give_up = time.monotonic() + REAP_SECONDS
    while time.monotonic() < give_up:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            kill_children()
            time.sleep(0.01)


def kill_children() -> None:
    for name in filter(str.isdigit, os.listdir("/proc") if os.path.isdir("/proc") else []):
        try:
            with open(f"/proc/{name}/stat", "rb") as stat:
                parent = int(stat.read().rpartition(b")")[2].split()[1])
            if parent == os.getpid():
                os.kill(int(name), signal.SIGKILL)
        except (OSError, IndexError):
            pass  # It ended in between.


def write(job: str, name: str, content: dict) -> None:
    """Whole or not at all, also when the power goes."""
    path = os.path.join(job, name)
    with open(path + ".tmp", "w") as file:
        json.dump(content, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(path + ".tmp", path)


def now() -> int:
    return int(time.time() * 1000)


if __name__ == "__main__":
    main()
