"""The sandbox's training under Ray Train: two workers, FailureConfig(max_failures=-1), everything else Ray's default.

    python ray_recovery.py CONFIG_FILE FOLDER [ADDRESS]

CONFIG_FILE is a config of the sandbox's checkout in GLEE_CHECKOUT; FOLDER gets Ray's session and the checkpoints. Each
worker runs the sandbox's own Trainer, joined by the sandbox's own TCP gang in the place of torch.distributed; only
saving and resuming go through Ray. With an ADDRESS it joins the cluster there instead of starting a node. Runs until its standard input ends, then shuts Ray down.
"""

import os
import socket
import sys
import tempfile
import threading

import ray
import ray.train
from ray.train import Checkpoint, FailureConfig, RunConfig, ScalingConfig
from ray.train.collective import broadcast_from_rank_zero
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

WORKERS = 2


def train(settings):
    """One rank, as the sandbox's train_net.py has it."""
    checkout = os.environ["GLEE_CHECKOUT"]
    sys.path[:0] = [checkout, os.path.join(checkout, "projects/GLEE")]
    os.chdir(checkout)
    import beacon
    from detectron2.engine.train_loop import HookBase
    from sandbox_trainer.config import load_config
    from sandbox_trainer.gang import Gang
    from sandbox_trainer.lifeline import Lifeline
    from sandbox_trainer.log import Log
    from sandbox_trainer.trainer import Trainer

    class RayCheckpointer(HookBase):
        """Reports to Ray when GLEE would save: all ranks do, rank 0 with the checkpoint."""

        def after_step(self):
            trainer, iteration = self.trainer, self.trainer.iter
            if (iteration + 1) % trainer.cfg.SOLVER.CHECKPOINT_PERIOD != 0:
                return
            with tempfile.TemporaryDirectory() as folder:
                trainer.checkpointer.save_dir = folder
                trainer.checkpointer.save(f"model_{iteration:07d}", iteration=iteration)
                saved = Checkpoint.from_directory(folder) if trainer.gang.rank == 0 else None
                ray.train.report({"iteration": iteration}, checkpoint=saved)

    beacon.attach()
    rank = ray.train.get_context().get_world_rank()
    host = ray.util.get_node_ip_address() if settings["cluster"] else "127.0.0.1"
    url = broadcast_from_rank_zero(f"tcp://{host}:{free_port()}" if rank == 0 else None)
    gang = Gang.join(rank, WORKERS, url, Lifeline(None))
    cfg = load_config(settings["config"], [])
    trainer = Trainer(cfg, gang, Log(cfg.OUTPUT_DIR, rank))
    trainer._hooks = []  # In the place of those that save and evaluate in GLEE's way.
    trainer.register_hooks([RayCheckpointer()])
    checkpoint = ray.train.get_checkpoint()
    if checkpoint is None:
        trainer.resume_or_load(False)
    else:
        with checkpoint.as_directory() as folder:
            trainer.checkpointer.save_dir = folder
            trainer.resume_or_load(True)
    trainer.train()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def main():
    config, folder, *addresses = sys.argv[1:]
    threading.Thread(target=end_with_input, daemon=True).start()
    start_or_join(folder, addresses)
    DataParallelTrainer(
        train,
        train_loop_config={"config": config, "cluster": bool(addresses)},
        scaling_config=ScalingConfig(num_workers=WORKERS),
        run_config=RunConfig(
            name="recovery",
            storage_path=os.path.join(folder, "storage"),
            failure_config=FailureConfig(max_failures=-1),
        ),
    ).fit()


def start_or_join(folder, addresses):
    if addresses:
        ray.init(address=addresses[0], _node_ip_address=addresses[0].split(":")[0])
        return
    temporary = os.path.join(folder, "ray")
    ray.init(num_cpus=WORKERS, include_dashboard=False, object_store_memory=100 << 20, _temp_dir=temporary)


def end_with_input():
    sys.stdin.read()
    ray.shutdown()
    os._exit(0)


if __name__ == "__main__":
    main()
