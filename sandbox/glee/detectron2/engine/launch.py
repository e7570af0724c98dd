"""One process a rank, each in the gang before it begins with its work."""

import socket

from detectron2.utils import comm
from sandbox_trainer.gang import Gang
from sandbox_trainer.spawn import spawn


def launch(main_func, num_gpus_per_machine, num_machines=1, machine_rank=0, dist_url=None, args=()):
    """Calls main_func(*args, gang) in each of this machine's ranks; with a world size of 1 in this process."""
    world_size = num_machines * num_gpus_per_machine
    if world_size == 1:
        main_func(*args, Gang.alone())
        return
    if dist_url == "auto":
        assert num_machines == 1, "dist_url=auto not supported in multi-machine jobs."
        dist_url = f"tcp://127.0.0.1:{_free_port()}"

    def run(local_rank, lifeline):
        place = (world_size, num_gpus_per_machine, machine_rank)
        _distributed_worker(local_rank, main_func, *place, dist_url, args, lifeline)

    spawn(run, num_gpus_per_machine)


def _distributed_worker(
    local_rank, main_func, world_size, num_gpus_per_machine, machine_rank, dist_url, args, lifeline
):
    """The arguments are detectron2's, but for the last, which is a time-out there."""
    gang = Gang.join(machine_rank * num_gpus_per_machine + local_rank, world_size, dist_url, lifeline)
    comm.join(gang, local_rank)
    main_func(*args, gang)


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
