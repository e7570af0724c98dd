"""Runs the checkout's own training script with the pipeline's hooks in it.

    python3 companion.py ARGUMENT ...           from the checkout's root, in the place of projects/GLEE/train_net.py

The script is run in this very module, with the arguments, `sys.path[0]` and `__file__` that it would have had, so what
it pickles for its ranks as `__main__.main` is found. Ranks that are spawned, as torch does, come through here as well:
multiprocessing imports the parent's main module again in each, and finds this one by the name in `__spec__`, as if it
had been started with `python3 -m companion`. Standard library only, and next to nothing to import: it is part of every
start.
"""

import os
import sys
from importlib.machinery import ModuleSpec

_HERE = os.path.dirname(os.path.abspath(__file__))
_SCRIPT = os.path.join("projects", "GLEE", "train_net.py")

if __name__ == "__main__":
    # A rank may be spawned after the script has gone to another folder.
    os.environ["GLEE_TRAINER_SCRIPT"] = os.path.abspath(_SCRIPT)
    sys.argv[0] = _SCRIPT
    # Our folder goes last: it must shadow no module of the checkout's, and ranks have to find us in it.
    others = [path for path in sys.path if path != _HERE]
    sys.path[:] = [os.path.dirname(os.environ["GLEE_TRAINER_SCRIPT"]), *others, _HERE]
    __spec__ = ModuleSpec("companion", None, origin=__file__)

import atomic_checkpoints  # noqa: E402
import declared_datasets  # noqa: E402
import evaluation_files  # noqa: E402
import learning_rate  # noqa: E402
import rank_records  # noqa: E402
import same_checkpoint  # noqa: E402
import sampler_position  # noqa: E402
import sampler_seed  # noqa: E402
import save_on_request  # noqa: E402
import trainer_phases  # noqa: E402
import weights_coverage  # noqa: E402

if __name__ == "__main__":
    trainer_phases.enter("start")
# Trainers call their hooks in this order: who asked for a save is answered when all else of the iteration is done.
for _part in (
    declared_datasets,
    evaluation_files,
    weights_coverage,
    learning_rate,
    same_checkpoint,
    sampler_position,
    sampler_seed,
    atomic_checkpoints,
    trainer_phases,
    save_on_request,
    rank_records,
):
    _part.place()
__file__ = os.environ["GLEE_TRAINER_SCRIPT"]
with open(__file__, "rb") as _source:
    _code = compile(_source.read(), __file__, "exec")
# From here on nothing above is needed: the script may give these names another meaning.
exec(_code)
