"""Draws the sampler's seed from the attempt's token, and writes down what each start began with.

detectron2's samplers ask `comm.shared_random_seed()`, which no one writes down. With SEED in the config it is the same
at each start; that is respected, and recorded as such. A resumed training has its checkpoint's (sampler_position).

    GLEE_ATTEMPT_TOKEN   the same for all ranks, and for no other attempt; without it seeds are drawn as ever
"""

import functools
import os

import job_files
import trainer_phases
from import_hooks import hook_trainers, when_imported

_drawn = []
_config_has_seed = False
_seed_all = None


def place():
    when_imported("detectron2.utils.env", _hook_seeding)
    when_imported("detectron2.utils.comm", _hook_drawing)
    hook_trainers(_Starts)


def take(seeds):
    """The sampler continues with these, of the checkpoint, in the place of those that were drawn."""
    _drawn[:] = [{"seed": seed, "from": "the checkpoint"} for seed in seeds.values()]


def seed_augmentations(*place):
    """With SEED in the config each start would draw the same crops and flips; it has its own, from SEED and the place."""
    if _config_has_seed:
        _seed_all(_derived("/".join(map(str, place)), "augmentations"))


def _hook_seeding(module):
    global _seed_all
    seed_all = _seed_all = module.seed_all_rng

    @functools.wraps(seed_all)
    def noted_seed_all(seed=None):
        global _config_has_seed
        _config_has_seed = seed is not None
        return seed_all(seed)

    module.seed_all_rng = noted_seed_all


def _hook_drawing(module):
    draw = getattr(module, "shared_random_seed", None)
    if draw is None:
        return  # The stand-in's batches depend on the iteration alone.

    @functools.wraps(draw)
    def recorded_draw(*args, **kwargs):
        token = os.environ.get("GLEE_ATTEMPT_TOKEN")
        if _config_has_seed or not token:
            seed = int(draw(*args, **kwargs))
            source = "the config's SEED" if _config_has_seed else "chance"
        else:
            seed, source = _derived(token, len(_drawn)), "the attempt's token"
        _drawn.append({"seed": seed, "from": source})
        return seed

    module.shared_random_seed = recorded_draw


def _derived(token, number):
    """As shared_random_seed: at least 0 and below 2 ** 31. All ranks draw in the same order, so they need not ask."""
    from hashlib import sha256

    return int.from_bytes(sha256(f"{token}/{number}".encode()).digest()[:4], "big") >> 1


class _Starts:
    """A hook of detectron2's."""

    def before_train(self):
        if trainer_phases.is_first_of_machine():
            token = os.environ.get("GLEE_ATTEMPT_TOKEN")
            start = {"at": job_files.now(), "token": token, "iterations": self.trainer.start_iter}
            job_files.append("starts.jsonl", {**start, "samplerSeeds": _drawn})
