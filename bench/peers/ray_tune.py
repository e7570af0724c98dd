"""Trials that do nothing under Ray Tune: as many as asked, four at a time, everything else Ray's default.

    python ray_tune.py FOLDER TRIALS

FOLDER gets Ray's session and results. Prints, as the last line, the seconds that `Tuner.fit` took, and how many trials
ended without an error: Ray's own start is not counted.
"""

import os
import sys
import time

import ray
from ray import tune

CONCURRENCY = 4


def trial(config):
    tune.report({"score": config["place"]})


def main():
    folder, trials = sys.argv[1], int(sys.argv[2])
    ray.init(
        num_cpus=CONCURRENCY,
        include_dashboard=False,
        object_store_memory=100 << 20,
        _temp_dir=os.path.join(folder, "ray"),
    )
    tuner = tune.Tuner(
        trial,
        param_space={"place": tune.grid_search(list(range(trials)))},
        tune_config=tune.TuneConfig(max_concurrent_trials=CONCURRENCY),
        run_config=tune.RunConfig(name="empty", storage_path=os.path.join(folder, "storage"), verbose=0),
    )
    began = time.monotonic()
    results = tuner.fit()
    seconds = time.monotonic() - began
    ended = len(results) - results.num_errors
    ray.shutdown()
    print(f"{seconds:.3f} {ended}", flush=True)


if __name__ == "__main__":
    main()
