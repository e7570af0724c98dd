"""Refuses to train when the ranks do not all begin from the same checkpoint.

detectron2 only warns of a rank that cannot read it ("Not all workers can read checkpoint"), and does not notice one
whose folder has none: it starts again from MODEL.WEIGHTS, and the others continue where they were.
"""

import functools
import os
import sys

from import_hooks import say, when_imported


def place():
    when_imported("fvcore.common.checkpoint", _hook)


def _hook(module):
    resume_or_load = module.Checkpointer.resume_or_load

    @functools.wraps(resume_or_load)
    def checked_resume_or_load(self, path, *args, **kwargs):
        resume = kwargs.get("resume", args[0] if args else True)
        _check(self.get_checkpoint_file() if resume and self.has_checkpoint() else path)
        return resume_or_load(self, path, *args, **kwargs)

    module.Checkpointer.resume_or_load = checked_resume_or_load


def _check(path):
    """Every rank asks; all end if one cannot read what rank 0 reads."""
    comm = sys.modules.get("detectron2.utils.comm")
    if comm is None or comm.get_world_size() == 1:
        return
    is_local = bool(path) and "://" not in path
    ranks = comm.all_gather((os.path.basename(path or ""), os.path.isfile(path) or not is_local))
    (name, _), own = ranks[0], ranks[comm.get_rank()]
    lacking = [str(rank) for rank, (its_name, can_read) in enumerate(ranks) if its_name != name or not can_read]
    if not lacking:
        return
    which = "rank " + lacking[0] if len(lacking) == 1 else "ranks " + ", ".join(lacking)
    here = "" if own == (name, True) else "; this is one of them"
    say(f"glee: not all ranks can read checkpoint {name or '(none)'} of rank 0: {which} cannot{here}")
    sys.exit(1)
