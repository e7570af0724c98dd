"""Who this rank is, and the exchanges that are not part of an iteration."""

import pickle

_gang = None
_local_rank = 0


def join(gang, local_rank):
    """Called once by a rank that has met the others; without it a process is alone."""
    global _gang, _local_rank
    _gang, _local_rank = gang, local_rank


def get_world_size():
    return _gang.world_size if _gang else 1


def get_rank():
    return _gang.rank if _gang else 0


def get_local_rank():
    return _local_rank


def is_main_process():
    return get_rank() == 0


def all_gather(data):
    """Every rank's object, in the order of the ranks."""
    if get_world_size() == 1:
        return [data]
    return [pickle.loads(item) for item in _gang.all_gather(pickle.dumps(data))]
