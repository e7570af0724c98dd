"""Batches of images: detectron2's and GLEE's data loaders, under their names and without workers."""

import itertools

from .catalog import load_datasets
from .sampler import MultiDatasetSampler, TrainingSampler


def build_train_loader(cfg, gang):
    """An iterable of this rank's batches, each a list of records with their objects."""
    several = cfg.DATALOADER.SAMPLER_TRAIN == "MultiDatasetSampler"
    datasets = load_datasets(cfg.DATASETS.TRAIN if several else cfg.DATASETS.TRAIN[:1])
    total = cfg.SOLVER.IMS_PER_BATCH
    # Asserted after the data was read, and although the value goes unused with USE_DIFF_BS_SIZE: as in GLEE.
    assert total > 0 and total % gang.world_size == 0, (
        f"Total batch size ({total}) must be divisible by the number of gpus ({gang.world_size})."
    )
    batch_size = total // gang.world_size
    images = [
        {**record, "objects": objects, "dataset_source": source}
        for source, dataset in enumerate(datasets)
        for record, objects in dataset
    ]
    place = (max(cfg.SEED, 0), gang.rank, gang.world_size)
    if not several:
        sampler = TrainingSampler(len(images), *place)
        if cfg.DATALOADER.ASPECT_RATIO_GROUPING:
            return AspectRatioGroupedDataset(DataLoader(images, sampler), batch_size)
        return DataLoader(images, sampler, batch_size)
    sampler = MultiDatasetSampler([len(images) for images in datasets], cfg.DATALOADER.DATASET_RATIO, *place)
    if cfg.DATALOADER.USE_DIFF_BS_SIZE:
        return DIFFMDAspectRatioGroupedDataset(DataLoader(images, sampler), cfg.DATALOADER.DATASET_BS, len(datasets))
    return MDAspectRatioGroupedDataset(DataLoader(images, sampler), batch_size, len(datasets))


class DataLoader:
    """torch's: images one by one where no batch size is given."""

    num_workers = 0

    def __init__(self, dataset, sampler, batch_size=None):
        self.dataset, self.sampler, self.batch_size = dataset, sampler, batch_size

    def __iter__(self):
        images = (self.dataset[index] for index in self.sampler)
        if self.batch_size is None:
            return images
        return iter(lambda: list(itertools.islice(images, self.batch_size)), [])


class MDAspectRatioGroupedDataset:
    """A bucket for each data set and orientation: a batch is one that is full."""

    def __init__(self, dataset, batch_size, num_datasets):
        self.dataset = dataset
        self.batch_size = batch_size
        self._buckets = [[] for _ in range(2 * num_datasets)]

    def __iter__(self):
        for image in self.dataset:
            bucket = self._buckets[self._bucket_of(image)]
            bucket.append(image)
            if len(bucket) == self._size_of(image):
                # As in GLEE it is emptied when the next one is asked for.
                yield bucket[:]
                del bucket[:]

    def _bucket_of(self, image):
        return image["dataset_source"] * 2 + (0 if image["width"] > image["height"] else 1)

    def _size_of(self, _):
        return self.batch_size


class DIFFMDAspectRatioGroupedDataset(MDAspectRatioGroupedDataset):
    """Each data set has a batch size of its own."""

    def __init__(self, dataset, batch_sizes, num_datasets):
        super().__init__(dataset, None, num_datasets)
        self.batch_sizes = batch_sizes

    def _size_of(self, image):
        return self.batch_sizes[image["dataset_source"]]


class AspectRatioGroupedDataset(MDAspectRatioGroupedDataset):
    """detectron2's, for one data set."""

    def __init__(self, dataset, batch_size):
        super().__init__(dataset, batch_size, 1)
