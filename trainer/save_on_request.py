"""Saves when it is asked to, and then stops if that was asked as well: all ranks after the same iteration.

    GLEE_STOP_AFTER   saves and stops once so many iterations are done, counted from the first of the training

The worker on rank 0's machine asks by save-request.json, {"id": ..., "stop": ...}, and is answered by save-answer.json
once last_checkpoint names the checkpoint. Rank 0 alone looks. What was asked for, rank 0 tells the others in an exchange
of a few bytes, about twice a second; in it, it also says in which iteration the next will be. To save, each rank says
where its sampler is, and stops if it has to. GLEE_STOP_AFTER is known to all: nothing is exchanged for it.
Ranks that stop end with status 0.
"""

import os
import sys
import time

import background_save
import job_files
import sampler_position
import trainer_phases
from import_hooks import hook_trainers

_LOOK_EVERY_S = 0.2
_AGREE_EVERY_S = 0.5
# An iteration may suddenly take longer than those before: a stop must not be that many of them away.
_AGREE_ITERATIONS = 10
_NOTHING, _SAVE, _STOP = range(3)


def place():
    if os.environ.get("GLEE_JOB_FOLDER"):
        hook_trainers(_SaveOnRequest)


class _SaveOnRequest:
    """A hook of detectron2's: it comes after the trainer's own, when they have saved and evaluated."""

    def before_train(self):
        self.comm = sys.modules.get("detectron2.utils.comm")
        if self.comm is None:
            return
        self.is_alone = self.comm.get_world_size() == 1
        self.is_main = self.comm.get_rank() == 0
        self.path = job_files.path_of("save-request.json")
        answer = job_files.read("save-answer.json")
        self.request, self.answered, self.looked_at = None, answer and answer.get("id"), 0.0
        self.stop_after = int(os.environ.get("GLEE_STOP_AFTER") or self.trainer.max_iter)
        self.agree_in, self.agreed_at, self.agreed_in = self.trainer.start_iter, time.monotonic(), None

    def after_step(self):
        iteration = self.trainer.iter
        if self.comm is None or iteration + 1 >= self.trainer.max_iter:
            return  # It has saved everything and is about to end.
        if self.is_main:
            self._look()
        if iteration + 1 >= self.stop_after:
            self.request = {"id": f"after {self.stop_after}", **(self.request or {}), "stop": True}
            order = _STOP
        elif self.is_alone:
            order = self._order()
        elif iteration < self.agree_in:
            return
        else:
            order, self.agree_in = self._share((self._order(), self._next_agreement(iteration)))
        if order == _NOTHING:
            return
        sampler_position.collect(iteration)
        if order == _STOP:
            self._stop(iteration)
        elif self.is_main:
            self._save(iteration)

    def _order(self):
        if self.request is None:
            return _NOTHING
        return _STOP if self.request["stop"] else _SAVE

    def _look(self):
        now = time.monotonic()
        if self.request is not None or now - self.looked_at < _LOOK_EVERY_S:
            return
        self.looked_at = now
        if os.path.exists(self.path):
            request = job_files.read("save-request.json")
            if isinstance(request, dict) and request.get("id") != self.answered:
                self.request = {"id": request.get("id"), "stop": request.get("stop") is True}

    def _next_agreement(self, iteration):
        """Of this machine's pace since the last one; only rank 0's counts."""
        now = time.monotonic()
        count = 1 if self.agreed_in is None else iteration - self.agreed_in
        pace = max(1e-6, (now - self.agreed_at) / count)
        self.agreed_at, self.agreed_in = now, iteration
        return iteration + max(1, min(_AGREE_ITERATIONS, int(_AGREE_EVERY_S / pace)))

    def _share(self, decision):
        """Rank 0's word, on all ranks."""
        torch = sys.modules.get("torch")
        group = getattr(self.comm, "_get_global_gloo_group", None)
        if torch is None or group is None:
            return self.comm.all_gather(decision)[0]
        # A tenth of the bytes and hops of detectron2's own all_gather.
        numbers = torch.tensor(decision, dtype=torch.int64)
        torch.distributed.broadcast(numbers, 0, group=group())
        return int(numbers[0]), int(numbers[1])

    def _save(self, iteration):
        checkpointer = self._checkpointer()
        name = f"model_{iteration:07d}"
        if not self._points_at(checkpointer, name + ".pth"):
            checkpointer.save(name, iteration=iteration)
        background_save.wait()
        self.answered = self.request["id"]
        answer = {**self.request, "iterations": iteration + 1, "checkpoint": name + ".pth", "at": job_files.now()}
        job_files.write("save-answer.json", answer)
        self.request = None

    def _stop(self, iteration):
        if self.is_main:
            with trainer_phases.within("saving"):
                self._save(iteration)
        elif trainer_phases.is_first_of_machine():
            trainer_phases.enter("saving")
        # Not an Exception: the loop does not complain of it, and its hooks still close their files.
        sys.exit(0)

    def _checkpointer(self):
        saving = [hook for hook in self.trainer._hooks if type(hook).__name__ == "PeriodicCheckpointer"]
        return saving[0].checkpointer if saving else self.trainer.checkpointer

    def _points_at(self, checkpointer, name):
        return checkpointer.has_checkpoint() and os.path.basename(checkpointer.get_checkpoint_file()) == name
