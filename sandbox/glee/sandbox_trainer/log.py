"""What a training says: log lines and metrics.json, in detectron2's forms."""

import json
import os
import resource
import sys
import time
import traceback
from collections import deque

WINDOW = 20


class Log:
    """Log lines of one rank: to its file in OUTPUT_DIR, and those of rank 0 to stdout as well.

    (Not the `logging` module: it alone would take a quarter of a rank's start.)
    """

    def __init__(self, output_dir, rank):
        os.makedirs(output_dir, exist_ok=True)
        self._echo = rank == 0
        name = "log.txt" if rank == 0 else f"log.txt.rank{rank}"
        self._file = open(os.path.join(output_dir, name), "a", encoding="utf-8", buffering=1)

    def info(self, logger, message):
        self._write("", "INFO", logger, message)

    def warning(self, logger, message):
        self._write("WARNING ", "WARNING", logger, message)

    def exception(self, logger, message):
        self._write("ERROR ", "ERROR", logger, f"{message}\n{traceback.format_exc().rstrip()}")

    def _write(self, shown_level, level, logger, message):
        now = time.strftime("%m/%d %H:%M:%S")
        try:
            if self._echo:
                print(f"{shown_level}[{now} {logger}]: {message}", flush=True)
        except OSError:
            pass  # Whoever read stdout is gone. As with `logging`, that is no reason to stop training.
        self._file.write(f"[{now}] {logger} {level}: {message}\n")


class Metrics:
    """The latest scalars of a training, smoothed as detectron2 does, as lines of metrics.json and of the log."""

    def __init__(self, output_dir, log, max_iter):
        self._file = open(os.path.join(output_dir, "metrics.json"), "a", encoding="utf-8")
        self._log = log
        self._max_iter = max_iter
        self._history = {}
        self._times = deque(maxlen=1000)

    def add(self, **scalars):
        for name, value in scalars.items():
            self._history.setdefault(name, deque(maxlen=WINDOW)).append(value)
        if "time" in scalars:
            self._times.append(scalars["time"])

    def write(self, iteration, rate):
        """One line each: losses and times as medians over the last 20 iterations."""
        scalars = {name: _median(values) for name, values in self._history.items()}
        scalars["lr"] = rate
        scalars["eta_seconds"] = (_median(self._times) if self._times else 0.0) * (self._max_iter - iteration - 1)
        losses = "  ".join(f"{name}: {value:.4g}" for name, value in scalars.items() if "loss" in name)
        times = "".join(f"{name}: {scalars[name]:.4f}  " for name in ("time", "data_time") if name in scalars)
        self._log.info(
            "d2.utils.events",
            f" eta: {_duration(scalars['eta_seconds'])}  iter: {iteration}  {losses}  {times}"
            f"lr: {rate:.5g}  max_mem: {_peak_memory_mb():.0f}M",
        )
        self.write_line(iteration, scalars)

    def write_line(self, iteration, scalars):
        self._file.write(json.dumps({**scalars, "iteration": iteration}, sort_keys=True) + "\n")
        self._file.flush()


def _median(values):
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def _duration(seconds):
    """As str(timedelta) has it: 1 day, 2:03:04."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    prefix = f"{days} day{'s' if days != 1 else ''}, " if days else ""
    return f"{prefix}{hour}:{minute:02d}:{second:02d}"


def _peak_memory_mb():
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)
