"""Measures how much of the model its initial weights filled, and refuses those that filled too little.

GLEE loads weights with strict=False: a file of another model, or one that was converted wrongly, trains from scratch
and looks healthy. fvcore's Checkpointer knows what did not match after all renaming, so it is asked once it is there:
importing it from here would cost every start a torch. A resumed checkpoint is not measured.

    GLEE_COVERAGE_FILE    where rank 0 writes what it found, as JSON; without it nothing is hooked
    GLEE_COVERAGE_LIMIT   share of the model's parameters, 0 to 1, below which the trainer ends before it trains
"""

import json
import os
import sys

from import_hooks import say, when_imported

_PREFIXES_WRITTEN = 50
_PREFIXES_SAID = 5


def place():
    """Hooks fvcore's Checkpointer, in this process and those that it forks, as soon as someone imports it."""
    if os.environ.get("GLEE_COVERAGE_FILE"):
        when_imported("fvcore.common.checkpoint", hook)


def hook(module):
    """Has every Checkpointer of fvcore's module measured when it loads a model's initial weights."""
    checkpointer = module.Checkpointer
    load, resume_or_load = checkpointer.load, checkpointer.resume_or_load

    def noted_resume_or_load(self, path, *args, **kwargs):
        resume = kwargs.get("resume", args[0] if args else True)
        self._loads_initial_weights = not (resume and self.has_checkpoint())
        try:
            return resume_or_load(self, path, *args, **kwargs)
        finally:
            self._loads_initial_weights = False

    def measured_load(self, path, *args, **kwargs):
        # Only rank 0 saves to disk; every rank loads the same.
        if not (path and self.save_to_disk and getattr(self, "_loads_initial_weights", False)):
            return load(self, path, *args, **kwargs)
        load_model, found = self._load_model, []

        def remembered_load_model(checkpoint):
            found.append(load_model(checkpoint))
            return found[-1]

        self._load_model = remembered_load_model
        try:
            rest = load(self, path, *args, **kwargs)
        finally:
            del self._load_model
        for incompatible in found:
            _judge(module, self.model, path, incompatible)
        return rest

    checkpointer.load, checkpointer.resume_or_load = measured_load, noted_resume_or_load


def _judge(module, model, path, incompatible):
    """Writes the coverage down; ends this rank, and with it the trainer, if it is below the limit."""
    try:
        coverage = measure(module, model, incompatible)
        _write(coverage)
    except Exception as error:  # A fork may answer otherwise. Not to know is better than not to train.
        say(f"glee: how much the initial weights match is unknown: {type(error).__name__}: {error}")
        return
    share = coverage["matchedParameters"] / max(1, coverage["totalParameters"])
    match = f"glee: initial weights {path} match {_percent(share)} of the model's parameters"
    limit = float(os.environ.get("GLEE_COVERAGE_LIMIT") or 0)
    if share >= limit:
        say(match)
        return
    say(f"{match} (limit {_percent(limit)}); not matched: {_list(coverage['missing'])}")
    sys.exit(1)


def measure(module, model, incompatible):
    """Keys and parameters of the model's state, those that the file filled, and the prefixes of the others."""
    sizes = {key: value.numel() for key, value in model.state_dict().items() if hasattr(value, "numel")}
    unfilled = {*incompatible.missing_keys, *(misfit[0] for misfit in incompatible.incorrect_shapes)}
    # One parameter under two names is filled by either.
    reused = getattr(module, "_filter_reused_missing_keys", None)
    unfilled = {key for key in (reused(model, unfilled) if reused else unfilled) if key in sizes}
    groups = {}
    for key in unfilled:
        group = groups.setdefault(_prefix(key), {"prefix": _prefix(key), "keys": 0, "parameters": 0})
        group["keys"] += 1
        group["parameters"] += sizes[key]
    total = sum(sizes.values())
    missing = sorted(groups.values(), key=lambda group: (-group["parameters"], group["prefix"]))
    return {
        "matchedKeys": len(sizes) - len(unfilled),
        "totalKeys": len(sizes),
        "matchedParameters": total - sum(group["parameters"] for group in missing),
        "totalParameters": total,
        "missing": missing[:_PREFIXES_WRITTEN],
        "morePrefixes": max(0, len(missing) - _PREFIXES_WRITTEN),
    }


def _prefix(key):
    """`glee.backbone.` of glee.backbone.stem.conv1.weight: deep enough to tell the parts of a model apart."""
    parts = key.split(".")
    return key if len(parts) < 3 else ".".join(parts[:2]) + "."


def _write(coverage):
    """Whole or not at all."""
    path = os.environ["GLEE_COVERAGE_FILE"]
    with open(path + ".tmp", "w") as file:
        json.dump(coverage, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(path + ".tmp", path)


def _list(missing):
    """The largest prefixes in words: `glee.backbone. (412 keys, 196 M parameters), and 3 more`."""
    said = [
        f"{group['prefix']} ({group['keys']} {'key' if group['keys'] == 1 else 'keys'}, "
        f"{_count(group['parameters'])} parameters)"
        for group in missing[:_PREFIXES_SAID]
    ]
    more = len(missing) - len(said)
    return ", ".join(said) + (f", and {more} more" if more else "")


def _count(number):
    for unit, size in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return str(number)


def _percent(share):
    """Rounded down to a tenth: what is below a limit must not read as if it had reached it."""
    return f"{int(share * 1000 + 1e-6) / 10:g} %"

