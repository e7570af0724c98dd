"""Says in rank-N.json, for each rank N of the machine, whether it waits for other ranks, and what it takes by itself.

An iteration's own part is what a rank does before it first waits for others: data and forward pass, up to the backward
pass, in which gradients are exchanged. In a gang all iterations take the same time; the own parts tell who holds it back.
The file is written in place, some microseconds twice an iteration: a rank that hangs has then said where.
"""

import functools
import os
import sys
import time
from collections import deque

import job_files
from import_hooks import hook_trainers, when_imported

# The own part that is told is the median of so many: one slow image is no slow host.
_ITERATIONS = 50
_MEDIAN_EVERY_S = 0.5
_WIDTH = 96

_records = None


def place():
    if not os.environ.get("GLEE_JOB_FOLDER"):
        return
    when_imported("torch", lambda torch: _before(torch.Tensor, "backward"))
    # The stand-in for torch in sandbox/glee.
    when_imported("sandbox_trainer.gang", lambda module: _before(module.Gang, "all_reduce"))
    hook_trainers(_RankRecords)


def _before(owner, name):
    exchange = getattr(owner, name)

    @functools.wraps(exchange)
    def noted_exchange(*args, **kwargs):
        if _records is not None:
            _records.waits()
        return exchange(*args, **kwargs)

    setattr(owner, name, noted_exchange)


class _RankRecords:
    """A hook of detectron2's: the last to be called before an iteration begins."""

    def before_train(self):
        global _records
        comm = sys.modules.get("detectron2.utils.comm")
        local_rank = comm.get_local_rank() if comm else 0
        try:
            self.file = os.open(job_files.path_of(f"rank-{local_rank}.json"), os.O_WRONLY | os.O_CREAT, 0o644)
        except OSError:
            return
        self.own, self.told, self.told_at = deque(maxlen=_ITERATIONS), "null", 0.0
        _records = self

    def before_step(self):
        if _records is self:
            self.is_waiting, self.began = False, time.monotonic()
            self._write("false")

    def waits(self):
        if self.is_waiting:
            return
        now = time.monotonic()
        self.is_waiting = True
        self.own.append(now - self.began)
        if now - self.told_at >= _MEDIAN_EVERY_S:
            self.told_at, self.told = now, f"{sorted(self.own)[len(self.own) // 2]:.6f}"
        self._write("true")

    def _write(self, waits):
        text = f'{{"iteration": {self.trainer.iter}, "waits": {waits}, "ownSeconds": {self.told}}}'
        try:
            os.pwrite(self.file, text.encode().ljust(_WIDTH), 0)
        except OSError:
            pass
