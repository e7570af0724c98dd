"""Saves from a copy in host memory, in a thread, while the training continues. One at a time."""

import copy
import os
from collections import OrderedDict

_thread = None
_error = None


def is_wanted():
    return os.environ.get("GLEE_BACKGROUND_SAVE") == "1"


def begin(write):
    """Returns at once; the one before must have ended."""
    global _thread
    import threading  # Not part of every start.

    def run():
        global _error
        try:
            write()
        except BaseException as error:
            _error = error

    _thread = threading.Thread(target=run, name="glee-background-save")
    _thread.start()


def wait():
    """Returns when nothing is being written; raises what the last write ended with."""
    global _thread
    if _thread is not None:
        _thread.join()
        _thread = None
    _raise_error()


def check():
    """Raises, without waiting, what the last write ended with."""
    if _thread is not None and not _thread.is_alive():
        wait()


def _raise_error():
    global _error
    error, _error = _error, None
    if error is not None:
        raise error


def copied(checkpointer, more):
    """A checkpointer of the same class that saves the state of this moment, and the copy of what is saved besides."""
    memo = {}
    frozen = copy.copy(checkpointer)
    frozen.model = _Frozen(_copied(checkpointer.model.state_dict(), memo))
    frozen.checkpointables = {
        key: _Frozen(_copied(value.state_dict(), memo)) for key, value in checkpointer.checkpointables.items()
    }
    return frozen, _copied(more, memo)


class _Frozen:
    def __init__(self, state):
        self._state = state

    def state_dict(self):
        return self._state


def _copied(value, memo):
    if hasattr(value, "data_ptr") and hasattr(value, "detach"):
        # Parameters that are one tensor under two names are written once, as torch.save does.
        key = (value.data_ptr(), value.device, value.dtype, tuple(value.shape), tuple(value.stride()))
        if key not in memo:
            # With the original, so that its memory is no one else's as long as the memo counts.
            memo[key] = (value, value.detach().to("cpu", copy=True))
        return memo[key][1]
    if type(value) in (dict, OrderedDict):
        result = type(value)()
        for key, item in value.items():
            result[key] = _copied(item, memo)
        if hasattr(value, "_metadata"):  # Versions of modules, which torch keeps beside the state.
            result._metadata = value._metadata
        return result
    if type(value) in (list, tuple):
        return type(value)(_copied(item, memo) for item in value)
    return copy.deepcopy(value)
