"""Has functions called with a module once someone has imported it: to hook into torch's world costs no start a torch.

What cannot be hooked, as in a fork of GLEE's, is logged in one line, and training runs without it.
"""

import os
import sys

_waiting = {}
_hooks = []


def when_imported(name, place):
    """Calls place(module) as soon as the module was run, in this process and those that it forks."""
    if name in sys.modules:
        _try(place, sys.modules[name])
        return
    if _Finder not in sys.meta_path:
        sys.meta_path.insert(0, _Finder)
    _waiting.setdefault(name, []).append(place)


def hook_trainers(part):
    """Has each trainer of detectron2's engine call an object of this class, after its own hooks and in this order.

    One that `comes_first` is called before the trainer's own.
    """
    if not _hooks:
        when_imported("detectron2.engine.train_loop", _hook_trainers)
    _hooks.append(part)


def _hook_trainers(module):
    train = module.TrainerBase.train
    classes = [type(part.__name__, (part, module.HookBase), {}) for part in _hooks]

    def hooked_train(self, *args, **kwargs):
        self.register_hooks([hook() for hook in classes])
        self._hooks.sort(key=lambda hook: not getattr(hook, "comes_first", False))
        return train(self, *args, **kwargs)

    module.TrainerBase.train = hooked_train


def say(line):
    """One write: the ranks share the log."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def note(what, error):
    """Says once, whatever the number of ranks that find it, what the training has to do without."""
    noted = os.environ.get("GLEE_NOTED", "")
    if what not in noted:
        os.environ["GLEE_NOTED"] = noted + what
        # Python takes a name that lacks for a circular import, as the module is only just being imported.
        text = str(error).partition(" (most likely")[0].replace("partially initialized module", "module")
        say(f"glee: the companion does without {what}: {type(error).__name__}: {text}")


def _try(place, module):
    try:
        place(module)
    except Exception as error:
        note(f"{place.__module__} in {module.__name__}", error)


class _Finder:
    """Lets the others find the module, and has it hooked once it was run."""

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        places = _waiting.pop(name, None)
        if places is None:
            return None
        from importlib.util import find_spec  # Whoever imports what is waited for has it already.

        spec = find_spec(name)
        if spec is not None and spec.loader is not None:
            run = spec.loader.exec_module

            def run_and_hook(module):
                run(module)
                for place in places:
                    _try(place, module)

            spec.loader.exec_module = run_and_hook
        return spec
