"""The command line of `train_net.py`, argument for argument detectron2's."""

import argparse
import os


def argument_parser():
    # detectron2's default port depends on the user alone: two trainings of one user on one machine collide unless
    # they are given a --dist-url. Kept, since a pipeline has to know.
    port = 2**15 + 2**14 + os.getuid() % 2**14
    parser = argparse.ArgumentParser(description="Trains or evaluates the sandbox's stand-in for GLEE.")
    parser.add_argument("--config-file", default="", metavar="FILE", help="path to config file")
    parser.add_argument(
        "--resume", action="store_true", help="continue from OUTPUT_DIR's last_checkpoint when there is one"
    )
    parser.add_argument("--eval-only", action="store_true", help="perform evaluation only")
    parser.add_argument("--num-gpus", type=int, default=1, help="number of ranks *per machine*")
    parser.add_argument("--num-machines", type=int, default=1, help="total number of machines")
    parser.add_argument("--machine-rank", type=int, default=0, help="the rank of this machine (unique per machine)")
    parser.add_argument(
        "--dist-url", default=f"tcp://127.0.0.1:{port}", help="where rank 0 listens, tcp://HOST:PORT, or auto"
    )
    parser.add_argument(
        "opts",
        default=None,
        nargs=argparse.REMAINDER,
        help="overrides: pairs of KEY and VALUE, at the end of the line",
    )
    return parser
