"""The order in which images are drawn, and where in it each rank was: what a sampler gives from there on.

detectron2's samplers are one endless order that all ranks share: rank R of N takes the images R, R + N, R + 2 N, ... of
it. Where a rank was is `taken`, how many images of its own it has drawn, and `held`, the numbers of those among them that
are in no batch yet. A part of a training is {"ranks", "taken", "held"}, with a list entry for each rank; as long as the
number of ranks is the same, a training has one part, however often it was resumed. Whoever continues with another number
of ranks shares out what no rank has had yet, in the order in which it would have come.

Standard library only. Whole epochs are passed over as the lists that the sampler makes of them, image by image none is.
"""

import sys
from contextlib import contextmanager
from itertools import chain, islice

_CHUNK = 1 << 16


def lists_of(indices):
    """What an endless iterator gives, as lists: an epoch each where it is a generator that yields from a list."""
    indices = iter(indices)
    while True:
        with _tensors_as_lists(getattr(indices, "gi_code", None)):
            first = next(indices)
        within = getattr(indices, "gi_yieldfrom", None)
        if type(within) is type(iter([])):
            # (iter, (the list,), where in it): the list itself, without a walk over it.
            _, (items,), position = within.__reduce__()
            within.__setstate__(len(items))
            next(within, None)  # It lets the list be freed.
            yield items[position - 1 :]
        else:
            yield [int(first), *map(int, islice(indices, _CHUNK - 1))]


def continued(lists, parts, now, rank):
    """What this rank draws from here on, image by image, where `parts` were trained before, and `now` is the part to come.

    `lists` is the order of all ranks from its beginning. The images that a rank held come first, as they had come: its
    batches are then those of a training that was not interrupted.
    """
    last = parts[-1] if parts and same_kind(parts[-1], now) else None
    for part in parts[:-1] if last else parts:
        lists = _left_over(lists, part)
    ranks = now["ranks"]
    if last is None:
        return chain.from_iterable(_own(lists, ranks, rank))
    taken, held = last["taken"][rank], last["held"][rank]
    first, lists = _picked(lists, [number * ranks + rank for number in held], taken * ranks)
    images = chain(first, chain.from_iterable(_own(lists, ranks, rank)))
    return images if "lanes" not in now else _in_lanes(images, len(first), now["batch"], now["lanes"])


def same_kind(part, other):
    """Whether a training that was one can continue as the other without a new part."""
    return all(part.get(key) == other.get(key) for key in ("ranks", "lanes", "batch"))


def read_in_lanes(batches, batch, lanes):
    """Where a rank is, as (taken, held), after so many batches that `lanes` data-loader workers made in turns.

    Each worker takes every lanes-th image and makes batches of its own, so a batch is a column of a block.
    """
    blocks, columns = divmod(batches, lanes)
    size = batch * lanes
    if columns == 0:
        return blocks * size, []
    return (blocks + 1) * size, [blocks * size + place for place in range(size) if place % lanes >= columns]


def batches_in_lanes(taken, held, batch):
    """The reverse of read_in_lanes."""
    return taken // batch - len(held) // batch


def _in_lanes(images, held, batch, lanes):
    """An order of which `lanes` workers, each taking every lanes-th image, make the batches that were left to make."""
    width = held // batch
    first = list(islice(images, held))
    columns = [first[column::width] for column in range(width)]
    while True:
        block = list(islice(images, batch * lanes))
        columns += [block[column::lanes] for column in range(lanes)]
        yield from chain.from_iterable(zip(*columns[:lanes]))
        del columns[:lanes]


def _left_over(lists, part):
    """The order without what the ranks of this part have had in batches."""
    ranks, furthest = part["ranks"], max(part["taken"])
    numbers = sorted(
        number * ranks + rank
        for rank, (taken, held) in enumerate(zip(part["taken"], part["held"]))
        for number in chain(held, range(taken, furthest))
    )
    first, lists = _picked(lists, numbers, furthest * ranks)
    return chain([first], lists)


def _picked(lists, numbers, begin):
    """The images of these numbers, which ascend and are below `begin`, and the lists of all that come from there on."""
    images, passed, lists = [], 0, iter(lists)
    numbers = iter(numbers)
    number = next(numbers, None)
    while passed < begin:
        items = next(lists)
        while number is not None and number < passed + len(items):
            images.append(items[number - passed])
            number = next(numbers, None)
        if passed + len(items) > begin:
            return images, chain([items[begin - passed :]], lists)
        passed += len(items)
    return images, lists


def _own(lists, ranks, rank):
    """This rank's images of each list."""
    passed = 0
    for items in lists:
        yield items[(rank - passed) % ranks :: ranks]
        passed += len(items)


@contextmanager
def _tensors_as_lists(code):
    """Has a generator of this code yield from a list where it would from a tensor, as GLEE's samplers do.

    torch would make a tensor of each number: gigabytes and half a minute an epoch, to pass over them.
    """
    torch = sys.modules.get("torch")
    if torch is None or code is None:
        yield
        return
    iterate = torch.Tensor.__iter__

    def iterate_numbers(tensor):
        is_meant = sys._getframe(1).f_code is code and tensor.dim() == 1 and tensor.dtype == torch.int64
        return iter(tensor.tolist()) if is_meant else iterate(tensor)

    torch.Tensor.__iter__ = iterate_numbers
    try:
        yield
    finally:
        torch.Tensor.__iter__ = iterate
