"""In which order images are drawn: detectron2's and GLEE's samplers.

Each is one endless order that all ranks share, drawn from the seed alone, of which a rank takes every Nth image. As in
detectron2 it begins with its first image at each start, so that a resumed training would see those again: where it has
to continue is not the sampler's to know, and whoever resumes has to put it there.
"""

import itertools

from .draws import Draws


class _EndlessSampler:
    def __init__(self, seed, rank, world_size):
        self._seed = seed
        self._rank = rank
        self._world_size = world_size

    def _infinite_indices(self):
        draws = Draws(self._seed)
        while True:
            yield from self._epoch(draws)


class TrainingSampler(_EndlessSampler):
    """detectron2's: each image once an epoch."""

    def __init__(self, size, seed, rank, world_size):
        super().__init__(seed, rank, world_size)
        self._size = size

    def __iter__(self):
        yield from itertools.islice(self._infinite_indices(), self._rank, None, self._world_size)

    def _epoch(self, draws):
        order = list(range(self._size))
        for last in range(self._size - 1, 0, -1):
            other = draws.below(last + 1)
            order[last], order[other] = order[other], order[last]
        return order


class MultiDatasetSampler(_EndlessSampler):
    """GLEE's: images of all data sets, with replacement; a data set's share is its ratio."""

    def __init__(self, sizes, ratios, seed, rank, world_size):
        super().__init__(seed, rank, world_size)
        self.sizes = sizes
        self.limits = _limits(sizes, ratios)

    def __iter__(self):
        yield from itertools.islice(self._infinite_indices(), self._rank, None, self._world_size)

    def _epoch(self, draws):
        return [self._draw(draws) for _ in range(sum(self.sizes))]

    def _draw(self, draws):
        at = draws.uniform(0.0, self.limits[-1])
        source = next(index for index, limit in enumerate(self.limits) if at < limit)
        return sum(self.sizes[:source]) + draws.below(self.sizes[source])


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
