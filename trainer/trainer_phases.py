"""Says in phase.json what the trainer is doing, since when, and how many iterations it has done.

start, rendezvous, data, first iteration, training, saving, evaluating: limits can then be set for each, and whoever
waits for a save knows whether one can come. `longest` has how long each has taken at most, which is what later ones
are measured by. On each machine its first rank writes it.
"""

import functools
import sys
import time
from collections import deque
from contextlib import contextmanager

import job_files
from import_hooks import hook_trainers, when_imported

_WRITE_EVERY_S = 0.5
# The longest of so many iterations is what an iteration may take.
_PACE_ITERATIONS = 20

_content = {"phase": "start", "longest": {}}
_written_at = 0.0
_is_first = None


def place():
    """Called in the process that starts the ranks, and again in ranks that are spawned."""
    when_imported("detectron2.engine.launch", _hook_launch)
    when_imported("detectron2.engine.train_loop", _hook_construction)
    when_imported("detectron2.engine.hooks", _hook_evaluation)
    hook_trainers(_Phases)


def enter(phase):
    if _content["phase"] != phase or "since" not in _content:
        _note_length()
        _content.update(phase=phase, since=job_files.now())
        _write()


@contextmanager
def within(phase):
    before = _content["phase"]
    enter(phase)
    try:
        yield
    finally:
        enter(before)


def _note_length():
    """What ends now may be the longest of its kind. How long a training takes says nothing."""
    if "since" not in _content and is_first_of_machine():
        # A rank that was spawned: the process that did it has said when it began.
        _content.update(job_files.read("phase.json") or {})
    phase, longest = _content["phase"], _content["longest"]
    if "since" in _content and phase != "training":
        seconds = (job_files.now() - _content["since"]) / 1000
        _content["longest"] = {**longest, phase: max(longest.get(phase, 0), seconds)}


def is_first_of_machine():
    """Whether this is the first rank of its machine, whose job folder is its own."""
    if _is_first is not None:
        return _is_first
    comm = sys.modules.get("detectron2.utils.comm")
    try:
        return comm is None or comm.get_local_rank() == 0
    except Exception:
        return False  # It is about to meet the others.


def _write():
    global _written_at
    _written_at = time.monotonic()
    if is_first_of_machine():
        job_files.write("phase.json", {**_content, "at": job_files.now()})


def _hook_launch(module):
    work = module._distributed_worker

    @functools.wraps(work)  # It is pickled by its name.
    def work_in_phases(local_rank, main_func, *args, **kwargs):
        global _is_first
        _is_first = local_rank == 0
        enter("rendezvous")

        def main(*args, **kwargs):
            enter("data")
            return main_func(*args, **kwargs)

        return work(local_rank, main, *args, **kwargs)

    module._distributed_worker = work_in_phases


def _hook_construction(module):
    construct = module.TrainerBase.__init__

    @functools.wraps(construct)
    def construct_in_phase(self, *args, **kwargs):
        enter("data")
        construct(self, *args, **kwargs)

    module.TrainerBase.__init__ = construct_in_phase


def _hook_evaluation(module):
    evaluate = module.EvalHook._do_eval

    @functools.wraps(evaluate)
    def evaluate_in_phase(self, *args, **kwargs):
        with within("evaluating"):
            return evaluate(self, *args, **kwargs)

    module.EvalHook._do_eval = evaluate_in_phase


class _Phases:
    """A hook of detectron2's: it comes after the trainer's own."""

    def before_train(self):
        self.spent = deque(maxlen=_PACE_ITERATIONS)
        _content.update(startIterations=self.trainer.start_iter, iterations=self.trainer.start_iter)
        enter("first iteration")

    def before_step(self):
        self.began = time.monotonic()

    def after_step(self):
        ended = time.monotonic()
        self.spent.append(ended - self.began)
        _content.update(iterations=self.trainer.iter + 1, longestSeconds=round(max(self.spent), 4))
        enter("training")
        if ended - _written_at >= _WRITE_EVERY_S:
            _write()

    def after_train(self):
        # Also after an exception: where a trainer crashes is known to the iteration.
        _write()
