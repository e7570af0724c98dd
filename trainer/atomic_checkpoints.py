"""Has fvcore's Checkpointer write to a temporary name, fsync and rename: a file that has its name is whole.

Each save leaves a line in saves.jsonl: how long the trainer stalled for it, and how long its file took to be written.

    GLEE_BACKGROUND_SAVE=1   the trainer stalls for a copy in host memory alone; a thread writes it
"""

import functools
import os
import time
from contextlib import contextmanager

import background_save
import job_files
import trainer_phases
from import_hooks import hook_trainers, when_imported


def place():
    when_imported("fvcore.common.checkpoint", _hook)
    hook_trainers(_BackgroundSaves)


def _hook(module):
    checkpointer = module.Checkpointer
    save, pointed_at = checkpointer.save, checkpointer.get_checkpoint_file

    @functools.wraps(save)
    def save_atomically(self, name, **kwargs):
        if not (self.save_dir and self.save_to_disk):
            return save(self, name, **kwargs)
        with trainer_phases.within("saving"):
            record = {"name": name + ".pth", "iteration": kwargs.get("iteration")}
            began = time.monotonic()
            background_save.wait()
            if background_save.is_wanted():
                copy, kwargs = background_save.copied(self, kwargs)
                record["stallSeconds"] = time.monotonic() - began
                background_save.begin(lambda: _write(save, copy, name, kwargs, record, time.monotonic()))
            else:
                _write(save, self, name, kwargs, record, began)

    @functools.wraps(pointed_at)
    def pointed_at_when_written(self):
        background_save.wait()
        return pointed_at(self)

    checkpointer.save, checkpointer.get_checkpoint_file = save_atomically, pointed_at_when_written


class _BackgroundSaves:
    """A hook of detectron2's: a save that failed ends the training as it would have in the foreground."""

    def after_step(self):
        background_save.check()

    def after_train(self):
        background_save.wait()


def _write(save, checkpointer, name, kwargs, record, began):
    """fvcore's own save; only where it opens files it gets others."""
    files = checkpointer.path_manager

    def before_pointer():
        record["writeSeconds"] = time.monotonic() - began
        record.setdefault("stallSeconds", record["writeSeconds"])
        job_files.append("saves.jsonl", {**record, "at": job_files.now()})

    checkpointer.path_manager = _AtomicFiles(files, before_pointer)
    try:
        save(checkpointer, name, **kwargs)
    finally:
        checkpointer.path_manager = files


class _AtomicFiles:
    """A PathManager that gives files for writing a temporary name until they are whole and on the disk."""

    def __init__(self, files, before_pointer):
        self._files = files
        self._before_pointer = before_pointer

    def __getattr__(self, name):
        return getattr(self._files, name)

    def open(self, path, mode="r", *args, **kwargs):
        if os.path.basename(path) == "last_checkpoint" and "w" in mode:
            self._before_pointer()
        if "w" not in mode or "://" in path:
            return self._files.open(path, mode, *args, **kwargs)
        return _atomic_file(path, mode)


@contextmanager
def _atomic_file(path, mode):
    temporary = path + ".saving.tmp"
    try:
        with open(temporary, mode) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        _remove(temporary)
        raise
    folder = os.open(os.path.dirname(path) or ".", os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _remove(path):
    try:
        os.remove(path)
    except OSError:
        pass
