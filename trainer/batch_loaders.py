"""Where a rank is in its sampler's order, by what has come out of detectron2's and GLEE's data loaders.

Three kinds are known. Images one by one, which a grouping by aspect ratio (and data set) makes batches of: what is in its
buckets was drawn and not trained with. Batches that are made of a sampler's images in their order. And batches of a
ToIterableDataset, in each of whose workers the sampler runs and gives it every Nth image.
What data-loader workers have prefetched has not come out, and counts for nothing.
"""

from collections import Counter

import sample_order

_GROUPINGS = ("AspectRatioGroupedDataset", "MDAspectRatioGroupedDataset", "DIFFMDAspectRatioGroupedDataset")
# Those whose __iter__ is the slice of _infinite_indices that sample_order knows, and their subclasses that keep it.
_SAMPLERS = ("TrainingSampler", "RepeatFactorTrainingSampler", "MultiDatasetSampler", "ClassAwareSampler")
_PLACES_BETWEEN_SWEEPS = 1 << 14


def reader_of(trainer):
    """A reader of the trainer's loader, for what comes from now on; LookupError where that is none of detectron2's."""
    loader = trainer.data_loader
    # A collate_fn is mapped over a grouping.
    loader = getattr(loader, "_dataset", loader)
    grouping = loader if hasattr(loader, "_buckets") else None
    if grouping is not None:
        _expect(type(grouping).__name__ in _GROUPINGS, grouping)
        loader = grouping.dataset
    is_sampled_by_workers = hasattr(getattr(loader, "dataset", None), "shard_sampler")
    sampler = loader.dataset.sampler if is_sampled_by_workers else getattr(loader, "sampler", None)
    owner = next((owner for owner in type(sampler).__mro__ if "__iter__" in vars(owner)), None)
    _expect(owner is not None and owner.__name__ in _SAMPLERS, sampler)
    _expect(not is_sampled_by_workers or loader.dataset.shard_sampler, loader.dataset)
    if grouping is not None:
        return GroupedReader(trainer, sampler, grouping)
    if is_sampled_by_workers and loader.num_workers > 1 and loader.batch_size > 1:
        return LanesReader(trainer, sampler, loader.batch_size, loader.num_workers)
    return BatchReader(trainer, sampler, loader.batch_size)


def _expect(condition, part):
    if not condition:
        raise LookupError(f"{type(part).__name__} is none of detectron2's or GLEE's")


class _Reader:
    """`kind` is what a part of a training has besides the number of ranks and where they are."""

    kind = {}

    def __init__(self, trainer, sampler):
        self.trainer, self.sampler = trainer, sampler
        self.taken, self.held = 0, []

    def begin(self, taken, held):
        """What comes first are the images that were held."""
        self.taken, self.held = taken, held

    def count_from_here(self, is_resumed):
        """Nothing has come out yet. A loader that was asked for its iterator may have workers that prefetch."""
        place = "_data_loader_iter_obj" if hasattr(self.trainer, "_data_loader_iter_obj") else "_data_loader_iter"
        if is_resumed:
            setattr(self.trainer, place, None)  # Its workers end.
            setattr(self.trainer, place, iter(self.trainer.data_loader))
        self.batches = _Batches(self.trainer._data_loader_iter)
        setattr(self.trainer, place, self.batches)

    def _read(self, count, unused):
        """(taken, held) after so many images, of which those with these places are in no batch."""
        ahead = len(self.held)
        numbers = [self.held[place] if place < ahead else self.taken + place - ahead for place in unused]
        return self.taken + max(0, count - ahead), sorted(numbers + self.held[count:])


class BatchReader(_Reader):
    """Batches of the sampler's images in their order."""

    def __init__(self, trainer, sampler, batch_size):
        super().__init__(trainer, sampler)
        self.batch_size = batch_size

    def where(self):
        return self._read(self.batches.count * self.batch_size, [])


class LanesReader(_Reader):
    """Batches that workers make of every Nth image, in turns."""

    def __init__(self, trainer, sampler, batch_size, lanes):
        super().__init__(trainer, sampler)
        self.kind = {"batch": batch_size, "lanes": lanes}

    def where(self):
        before = sample_order.batches_in_lanes(self.taken, self.held, self.kind["batch"])
        return sample_order.read_in_lanes(before + self.batches.count, **self.kind)


class GroupedReader(_Reader):
    """Images one by one, in buckets until there are enough of a kind."""

    def __init__(self, trainer, sampler, grouping):
        super().__init__(trainer, sampler)
        self.grouping = grouping

    def count_from_here(self, is_resumed):
        self.images = self.grouping.dataset = _Images(self.grouping)
        super().count_from_here(is_resumed)

    def where(self):
        return self._read(self.images.count, self.images.unused())


def in_buckets(grouping):
    """A bucket that is full was given out, and is emptied when the next batch is asked for."""
    sizes = getattr(grouping, "batch_sizes", None)
    for index, bucket in enumerate(grouping._buckets):
        if len(bucket) < (grouping.batch_size if sizes is None else sizes[index // 2]):
            yield from bucket


class _Images:
    """In the place of the grouping's loader: knows the places of the images that are in its buckets."""

    def __init__(self, grouping):
        self._grouping, self._loader = grouping, grouping.dataset
        self.count, self._places = 0, {}

    def __iter__(self):
        for image in self._loader:
            if self.count % _PLACES_BETWEEN_SWEEPS == 0:
                self._places = self._unused_by_image()
            # A data set may give the same object for two places; another image may get the address of one that is gone.
            self._places.setdefault(id(image), []).append(self.count)
            self.count += 1
            yield image

    def unused(self):
        return [place for places in self._unused_by_image().values() for place in places]

    def _unused_by_image(self):
        """An object is always in the same bucket, which is emptied as a whole: its last places are those in there."""
        inside = Counter(map(id, in_buckets(self._grouping)))
        return {image: self._places[image][-times:] for image, times in inside.items()}

    def __getattr__(self, name):
        return getattr(self._loader, name)


class _Batches:
    """In the place of the loader's iterator."""

    def __init__(self, batches):
        self._batches = batches
        self.count = 0

    def __iter__(self):
        return self

    def __next__(self):
        batch = next(self._batches)
        self.count += 1
        return batch

    def __getattr__(self, name):
        return getattr(self._batches, name)
