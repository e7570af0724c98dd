"""Says when each iteration of the sandbox's trainer is done: one JSON line an event, from every rank.

The pipeline's trainer and Ray Train's workers both run the sandbox's own Trainer with this, so what is measured of
either is the same line, written at the same point of the same code. GLEE_BENCH_BEACON names the file.
"""

import json
import os
import time

from sandbox_trainer.trainer import Trainer


def note(event, rank, **facts):
    """A short line is appended whole: ranks may share the file."""
    line = {"event": event, "at": time.time() * 1000, "rank": rank, "pid": os.getpid(), **facts}
    with open(os.environ["GLEE_BENCH_BEACON"], "a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def attach():
    """From here on every Trainer of this process, and of those that it forks, notes what it does."""
    train, run_step = Trainer.train, Trainer.run_step

    def noted_train(self):
        note("ready", self.gang.rank, output=self.cfg.OUTPUT_DIR)
        train(self)

    def noted_step(self):
        run_step(self)
        note("iteration", self.gang.rank, output=self.cfg.OUTPUT_DIR, iteration=self.iter)

    Trainer.train, Trainer.run_step = noted_train, noted_step
