"""Has a resumed training continue with the images that come after its checkpoint's, on all ranks and data-loader workers.

detectron2's samplers begin with their first image at each start. A checkpoint gets a record of where each rank was when
it was saved, so that it is the restored checkpoint that says what comes next, whichever that is:

    glee_sampler: {"seeds": {"_seed": ...}, "parts": [{"ranks": ..., "taken": [...], "held": [[...], ...]}, ...]}

See sample_order for a part. Rank 0 alone saves and has to know where the others are: they tell it in an exchange before
each save, so nothing may save that they do not know of. What augmentations draw is not recorded: a resumed training has
other crops and flips than one that was not interrupted. With SEED in the config they are drawn from it and the iteration:
no start repeats those of another. The image that detectron2 takes in the place of one that cannot be used is not the same.
"""

import functools
import sys

import batch_loaders
import sample_order
import sampler_seed
from import_hooks import hook_trainers, note, when_imported

KEY = "glee_sampler"

_loaded = None
_position = None
_record = None


def place():
    when_imported("fvcore.common.checkpoint", _hook)
    hook_trainers(_Position)


def collect(iteration):
    """All ranks call it before rank 0 saves what is learned up to this iteration."""
    if _position is not None:
        _position.collect(iteration)


def _hook(module):
    checkpointer = module.Checkpointer
    resume_or_load, save = checkpointer.resume_or_load, checkpointer.save

    @functools.wraps(resume_or_load)
    def remembered_resume_or_load(self, path, *args, **kwargs):
        global _loaded
        resume = kwargs.get("resume", args[0] if args else True)
        is_resumed = bool(resume and self.has_checkpoint())
        rest = resume_or_load(self, path, *args, **kwargs)
        if is_resumed:
            _loaded = rest.get(KEY)
        return rest

    @functools.wraps(save)
    def save_with_record(self, name, **kwargs):
        if _record is not None and _record[0] == kwargs.get("iteration"):
            kwargs = {**kwargs, KEY: _record[1]}
        return save(self, name, **kwargs)

    checkpointer.resume_or_load, checkpointer.save = remembered_resume_or_load, save_with_record


class _Position:
    """A hook of detectron2's: it comes before the trainer's own, which save."""

    comes_first = True

    def before_train(self):
        global _position
        _position = self
        comm = sys.modules.get("detectron2.utils.comm")
        self.ranks = comm.get_world_size() if comm else 1
        self.rank = comm.get_rank() if comm else 0
        self.all_gather = comm.all_gather if comm else lambda value: [value]
        self.reader, self.parts, self.collected = None, [], None
        self._try(self._begin)
        saving = [hook for hook in self.trainer._hooks if type(hook).__name__ == "PeriodicCheckpointer"]
        # Rank 0 alone has it.
        self.period = self.all_gather(saving[0].period if saving else None)[0]

    def after_step(self):
        done = self.trainer.iter + 1
        if done == self.trainer.max_iter or (self.period and done % self.period == 0):
            self.collect(self.trainer.iter)

    def collect(self, iteration):
        global _record
        if self.collected == iteration:
            return
        self.collected = iteration
        ranks = self.all_gather(self.reader and self.reader.where())
        if self.rank == 0 and all(ranks):
            _record = iteration, self.record_of(ranks)

    def record_of(self, ranks):
        """What a checkpoint says, if these are the places of all ranks."""
        part = {**self.kind, "taken": [taken for taken, _ in ranks], "held": [held for _, held in ranks]}
        return {"seeds": _seeds_of(self.reader.sampler), "parts": [*self.parts, part]}

    def _begin(self):
        reader = batch_loaders.reader_of(getattr(self.trainer, "_trainer", self.trainer))
        self.kind = {"ranks": self.ranks, **reader.kind}
        if _loaded is not None:
            self._continue(reader, _loaded)
        elif self.trainer.start_iter > 0 and self.rank == 0:
            note("the sampler's position", LookupError("the checkpoint has none; the first images come again"))
        reader.count_from_here(_loaded is not None)
        self.reader = reader

    def _continue(self, reader, loaded):
        sampler, parts = reader.sampler, loaded["parts"]
        self.parts, last = parts, parts[-1]
        if sample_order.same_kind(last, self.kind):
            self.parts = parts[:-1]
            reader.begin(last["taken"][self.rank], last["held"][self.rank])
        _give_seeds(sampler, loaded["seeds"])
        sampler_seed.take(loaded["seeds"])
        # __iter__ slices this by rank, which is done already.
        sampler._infinite_indices = _Continued(sampler, parts, self.kind, self.rank)
        sampler._rank, sampler._world_size = 0, 1
        sampler_seed.seed_augmentations(loaded["seeds"]["_seed"], self.trainer.start_iter, self.rank)

    def _try(self, begin):
        """A fork may sample otherwise, and then trains on from its sampler's first image."""
        try:
            begin()
        except Exception as error:
            if self.rank == 0:
                note("the sampler's position", error)


class _Continued:
    """In the place of a sampler's _infinite_indices. It is ready before workers are forked, in which it is called."""

    def __init__(self, *place):
        self.place = place
        self.ready = self._begin()

    def __call__(self):
        images, self.ready = self.ready or self._begin(), None
        return images

    def __getstate__(self):
        return {**vars(self), "ready": None}

    def _begin(self):
        sampler, *where = self.place
        return sample_order.continued(sample_order.lists_of(type(sampler)._infinite_indices(sampler)), *where)


def _seeds_of(sampler):
    return {name: int(value) for name, value in vars(sampler).items() if name in ("_seed", "_seed_subset")}


def _give_seeds(sampler, seeds):
    differ = seeds != _seeds_of(sampler)
    vars(sampler).update(seeds)
    if differ and "_seed_subset" in seeds:
        import torch

        order = torch.randperm(sampler._size, generator=torch.Generator().manual_seed(sampler._seed_subset))
        sampler._indexes_subset = order[: sampler._size_subset]
