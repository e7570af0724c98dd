"""Which images make up the batch of an iteration.

The draw depends on the seed, the iteration and the rank alone, not on what was drawn before: a training that resumes
at iteration n sees what it would have seen undisturbed. (GLEE's sampler takes a fresh seed at every start.)
"""

from .draws import Draws


class Sampler:
    """GLEE's MultiDatasetSampler, or detectron2's TrainingSampler on the first data set."""

    def __init__(self, cfg, datasets, rank, world_size):
        total = cfg.SOLVER.IMS_PER_BATCH
        # Asserted after the data was read, and although the value goes unused with USE_DIFF_BS_SIZE: as in GLEE.
        assert total > 0 and total % world_size == 0, (
            f"Total batch size ({total}) must be divisible by the number of gpus ({world_size})."
        )
        self.datasets = datasets
        self.rank = rank
        self.seed = max(cfg.SEED, 0)
        several = cfg.DATALOADER.SAMPLER_TRAIN == "MultiDatasetSampler"
        ratios = cfg.DATALOADER.DATASET_RATIO if several else [1.0]
        self.batch_sizes = [total // world_size] * len(datasets)
        if several and cfg.DATALOADER.USE_DIFF_BS_SIZE:
            self.batch_sizes = cfg.DATALOADER.DATASET_BS
        self.limits = _limits([len(images) for images in datasets], ratios)

    def batch(self, iteration):
        """This rank's images: all from one data set, which is drawn by its ratio."""
        draws = Draws(self.seed, iteration, self.rank)
        at = draws.uniform(0.0, self.limits[-1])
        source = next(index for index, limit in enumerate(self.limits) if at < limit)
        images = self.datasets[source]
        return [images[draws.below(len(images))] for _ in range(self.batch_sizes[source])]


def _limits(sizes, ratios):
    """Running sums of the ratios, by the position of the data set in DATASETS.TRAIN.

    A list of ratios that is too short ends in an IndexError and one that is too long in a ZeroDivisionError, as in
    GLEE, whose own check compares the list's length with itself.
    """
    counted = [0 for _ in ratios]
    for source, size in enumerate(sizes):
        counted[source] += size
    limits, reached = [], 0.0
    for ratio, size in zip(ratios, counted):
        weight_of_an_image = ratio / size
        reached += weight_of_an_image * size
        limits.append(reached)
    return limits
