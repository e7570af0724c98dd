#!/usr/bin/env python3
"""Trains or evaluates, with the command line of GLEE's script of the same name and path."""

import os
import sys

# The checkout's root, wherever it is called from; GLEE gets there by an installed detectron2.
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from detectron2.engine.launch import launch  # noqa: E402
from sandbox_trainer.arguments import argument_parser  # noqa: E402
from sandbox_trainer.config import load_config  # noqa: E402
from sandbox_trainer.log import Log  # noqa: E402
from sandbox_trainer.trainer import Trainer, evaluate_only  # noqa: E402
from sandbox_trainer.yaml_writer import dump  # noqa: E402


def setup(args, gang):
    """The merged config, also written to OUTPUT_DIR/config.yaml, and this rank's log."""
    cfg = load_config(args.config_file, args.opts)
    log = Log(cfg.OUTPUT_DIR, gang.rank)
    log.info("detectron2", f"Rank of current process: {gang.rank}. World size: {gang.world_size}")
    log.info("detectron2", f"Command line arguments: {args}")
    if gang.rank == 0:
        path = os.path.join(cfg.OUTPUT_DIR, "config.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(dump(cfg))
        log.info("detectron2", f"Full config saved to {path}")
    return cfg, log


def main(args, gang):
    """One rank, from its config to its end."""
    cfg, log = setup(args, gang)
    if args.eval_only:
        evaluate_only(cfg, gang, log, args.resume)
        return
    trainer = Trainer(cfg, gang, log)
    trainer.resume_or_load(args.resume)
    trainer.train()


if __name__ == "__main__":
    arguments = argument_parser().parse_args()
    print("Command Line Args:", arguments, flush=True)
    launch(
        main,
        arguments.num_gpus,
        num_machines=arguments.num_machines,
        machine_rank=arguments.machine_rank,
        dist_url=arguments.dist_url,
        args=(arguments,),
    )
