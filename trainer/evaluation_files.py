"""Keeps what each test set's evaluator writes, in a folder of its own where there are several.

GLEE's evaluators give their files the same names below inference/ for every test set, so that each writes over the last
one's: of two videos' results.json the second alone would be left. With --eval-only alone; a training keeps its curves.
"""

import functools
import os
import sys

from import_hooks import note, when_imported


def place():
    if "--eval-only" in sys.argv:
        when_imported("detectron2.engine.defaults", _hook_inference)


def _hook_inference(module):
    infer = module.inference_on_dataset
    before = []

    @functools.wraps(infer)
    def infer_and_keep(model, data_loader, evaluator, *args, **kwargs):
        folder = getattr(evaluator, "_output_dir", None)
        # The first one's stay where GLEE puts them until it is clear that it is not alone.
        for one in before:
            _move(*one)
        there = _files_in(folder)
        results = infer(model, data_loader, evaluator, *args, **kwargs)
        written = [file for file, state in _files_in(folder).items() if there.get(file) != state]
        own = (folder, getattr(getattr(evaluator, "_metadata", None), "name", None), written)
        if before:
            _move(*own)
        before[:] = [own if not before else (folder, None, [])]
        return results

    module.inference_on_dataset = infer_and_keep


def _is_main_process():
    comm = sys.modules.get("detectron2.utils.comm")
    return comm is None or comm.get_rank() == 0


def _files_in(folder):
    """What tells whether a file was written: its size and time of change, by name."""
    if not folder or not os.path.isdir(folder) or not _is_main_process():
        return {}
    files = [entry for entry in os.scandir(folder) if entry.is_file(follow_symlinks=False)]
    return {entry.name: (entry.stat().st_size, entry.stat().st_mtime_ns) for entry in files}


def _move(folder, name, files):
    try:
        for file in files:
            target = os.path.join(folder, name.replace(os.sep, "_"))
            os.makedirs(target, exist_ok=True)
            os.replace(os.path.join(folder, file), os.path.join(target, file))
    except Exception as error:
        # The metrics are worth more than the files.
        note("the files of each test set", error)
