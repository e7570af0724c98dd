"""Gives a resumed training the learning rate that the config of this start says, where the checkpoint has another.

A checkpoint brings `initial_lr` and `lr` of each group of parameters and the scheduler's `base_lrs`: detectron2 continues
with those, whatever SOLVER.BASE_LR and its multipliers say by now. MAX_ITER, STEPS and warm-up are in no checkpoint, so
the new ones hold, but from the second iteration on: the first has the rate that the old schedule had computed. What the
freshly built optimizer had is the config's word for each group. Where nothing differs, nothing is touched.
"""

import functools
import math

from import_hooks import note, say, when_imported


def place():
    when_imported("fvcore.common.checkpoint", _hook)


def _hook(module):
    resume_or_load = module.Checkpointer.resume_or_load

    @functools.wraps(resume_or_load)
    def resume_with_own_rates(self, path, *args, **kwargs):
        resume = kwargs.get("resume", args[0] if args else True)
        if not (resume and self.has_checkpoint()):
            return resume_or_load(self, path, *args, **kwargs)
        scheduler = _noted(_scheduler_in, self)
        bases = scheduler and list(scheduler.base_lrs)
        rest = resume_or_load(self, path, *args, **kwargs)
        if scheduler:
            line = _noted(_put_back, scheduler, bases)
            if line and self.save_to_disk:  # Only rank 0 does; every rank has put them back.
                say(line)
        return rest

    module.Checkpointer.resume_or_load = resume_with_own_rates


def _scheduler_in(checkpointer):
    """The trainer's, of which detectron2 saves all as one, or one that is saved by itself, as before 0.4."""
    parts = list(checkpointer.checkpointables.values())
    for candidate in [*parts, *(getattr(part, "scheduler", None) for part in parts)]:
        if hasattr(candidate, "base_lrs") and hasattr(candidate, "optimizer"):
            return candidate
    if any(hasattr(getattr(part, "optimizer", part), "param_groups") for part in parts):
        raise LookupError("the checkpoint's optimizer has no scheduler with base_lrs")
    return None  # The stand-in's optimizer takes its rate from the config alone.


def _put_back(scheduler, bases):
    """Makes the groups' rates those of `bases` and the schedule of this start; says what it changed, if anything."""
    groups, loaded = scheduler.optimizer.param_groups, scheduler.base_lrs
    initial = [group.get("initial_lr") for group in groups]
    if not hasattr(scheduler, "_multiplier"):
        if not loaded == initial == bases:
            raise TypeError(f"{type(scheduler).__name__} is not detectron2's LRMultiplier")
        return None
    if scheduler.last_epoch >= scheduler._max_iter:
        return None  # No iteration is left to be done, and there is no rate beyond the schedule's end.
    rates = [base * scheduler._multiplier(scheduler.last_epoch / scheduler._max_iter) for base in bases]
    # A schedule over another number of iterations computes the same rate with another rounding.
    differing = [
        index
        for index, (group, base, rate) in enumerate(zip(groups, bases, rates))
        if not loaded[index] == initial[index] == base or not math.isclose(group["lr"], rate, rel_tol=1e-9)
    ]
    if not differing:
        return None
    top = max(differing, key=lambda index: rates[index])
    was = f"{groups[top]['lr']:g} (base {loaded[top]:g})"
    for group, base, rate in zip(groups, bases, rates):
        group["initial_lr"], group["lr"] = base, rate
    scheduler.base_lrs, scheduler._last_lr = bases, rates
    return (
        f"glee: the learning rate of {len(differing)} of {len(groups)} parameter groups is now this start's, "
        f"not the checkpoint's: {rates[top]:g} (base {bases[top]:g}) instead of {was}"
    )


def _noted(ask, *args):
    """A fork may train otherwise, and then trains on with the checkpoint's rates."""
    try:
        return ask(*args)
    except Exception as error:
        return note("the learning rate of this start's config", error)
