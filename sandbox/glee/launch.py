#!/usr/bin/env python3
"""Starts a training script on one machine of a gang, with the command line and the habits of GLEE's launch.py.

Its habits are kept on purpose, traps included, since a pipeline has to live with them:

- it changes into its own folder, so that paths are relative to the checkout;
- it joins all arguments into one string for a shell: a value like ('a', 'b') breaks it, or worse;
- without --port a gang's port comes from the clock's hour: machines on both sides of an hour disagree;
- a signal sent to it does not reach the trainers.
"""

import argparse
import os
import random
import subprocess
import sys
import time


def main():
    parser = argparse.ArgumentParser(description="Launcher")
    parser.add_argument("--launch", default="projects/GLEE/train_net.py", help="the script to start")
    parser.add_argument("--np", type=int, default=8, help="ranks a machine")
    parser.add_argument("--nn", type=int, default=1, help="number of machines")
    parser.add_argument("--port", type=int, default=-1, help="port of the first machine for the ranks to meet")
    parser.add_argument("--worker_rank", type=int, default=0, help="this machine's rank")
    parser.add_argument("--master_address", help="address of the machine with rank 0")
    args, passed_on = parser.parse_known_args()

    os.chdir(os.path.dirname(os.path.abspath(__file__)))
    port = args.port if args.port > 0 else port_of_the_hour()
    print(f"Start {args.launch} by torch.distributed.launch with port {port}!", flush=True)

    command = f"python3 {args.launch} --num-gpus={args.np}"
    if args.nn > 1:
        assert args.master_address is not None
        command += f" --num-machines={args.nn} --machine-rank={args.worker_rank}"
        command += f" --dist-url=tcp://{args.master_address}:{port}"
    command = " ".join([command, *passed_on])
    print(f"==> Run command: {command}", flush=True)
    sys.exit(subprocess.call(command, shell=True))


def port_of_the_hour():
    random.seed(int(time.time() // 3600))
    return random.randrange(40000, 60000)


if __name__ == "__main__":
    main()
