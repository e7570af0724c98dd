"""`.pth` files as torch.save writes them and torch.load reads them, without torch.

Such a file is a zip archive of stored (not compressed) members: `archive/data.pkl`, a pickle in which a tensor is a
call of torch._utils._rebuild_tensor_v2 on a reference to a storage; `archive/data/0`, `/1`, ... with the storages' raw
numbers, each beginning at a multiple of 64 bytes; `archive/byteorder`; `archive/version`. Dates are fixed: equal
content gives equal bytes.
"""

import pickle
import struct
import sys
import zipfile
import zlib
from array import array

from .pickle_writer import Global, Reference, Reduce, dump_pickle

# torch's storage classes by the array typecode with the same layout.
_STORAGES = {"DoubleStorage": "d", "FloatStorage": "f", "LongStorage": "q", "IntStorage": "i", "ByteStorage": "B"}
_CLASSES = {typecode: name for name, typecode in _STORAGES.items()}
_ALIGNMENT = 64


class Tensor:
    """Numbers with a shape; the numbers are read from the file when first asked for."""

    def __init__(self, shape, typecode, count, read):
        self.shape = shape
        self.typecode = typecode
        self.count = count
        self._read = read

    @classmethod
    def of(cls, shape, values):
        """A float64 tensor: resuming is exact only when no digit is lost."""
        return cls(tuple(shape), "d", len(values), lambda: array("d", values))

    def numel(self):
        return self.count

    def values(self):
        return list(self._read())

    def chunks(self):
        yield self._read().tobytes()


class Padding(Tensor):
    """A tensor of made-up bytes, of any size: a mebibyte that repeats, numbered, so that memory stays flat."""

    CHUNK = 1 << 20

    def __init__(self, size_bytes, seed):
        super().__init__((size_bytes,), "B", size_bytes, lambda: array("B", b"".join(self.chunks())))
        self.seed = seed

    def chunks(self):
        import hashlib  # Costs 10 ms at start, and padding is rare.

        block = hashlib.shake_128(b"padding").digest(self.CHUNK)
        for begin in range(0, self.count, self.CHUNK):
            head = struct.pack("<QQ", self.seed, begin)
            yield (head + block[len(head) :])[: self.count - begin]


def save(content, file):
    """Writes to a path or an open file, as it comes: whoever is killed meanwhile leaves a torn file."""
    tensors = []

    def as_call(tensor):
        storage = Reference(
            ("storage", Global("torch", _CLASSES[tensor.typecode]), str(len(tensors)), "cpu", tensor.count)
        )
        tensors.append(tensor)
        strides = tuple(_product(tensor.shape[axis + 1 :]) for axis in range(len(tensor.shape)))
        hooks = Reduce(Global("collections", "OrderedDict"), ())
        return Reduce(Global("torch._utils", "_rebuild_tensor_v2"), (storage, 0, tensor.shape, strides, False, hooks))

    index = dump_pickle(content, lambda value: as_call(value) if isinstance(value, Tensor) else value)
    with zipfile.ZipFile(file, "w") as archive:
        _add(archive, "data.pkl", len(index), [index])
        _add(archive, "byteorder", len(sys.byteorder), [sys.byteorder.encode()])
        for number, tensor in enumerate(tensors):
            _add(archive, f"data/{number}", tensor.count * array(tensor.typecode).itemsize, tensor.chunks())
        _add(archive, "version", 2, [b"3\n"])


def load(path):
    """The content of a file; unlike torch.load it runs no code that the file names."""
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile:
        raise RuntimeError(
            "PytorchStreamReader failed reading zip archive: failed finding central directory"
        ) from None
    index = next((name for name in archive.namelist() if name.endswith("/data.pkl")), None)
    if index is None:
        raise RuntimeError("PytorchStreamReader failed locating file data.pkl: file not found")
    with archive.open(index) as file:
        return _Unpickler(file, archive, index[: -len("data.pkl")]).load()


def _product(numbers):
    result = 1
    for number in numbers:
        result *= number
    return result


def _add(archive, name, size, chunks):
    """Adds a stored member whose data begins at a multiple of 64 bytes, filled up in the header's extra field."""
    info = zipfile.ZipInfo("archive/" + name, date_time=(1980, 1, 1, 0, 0, 0))
    info.file_size = size
    is_large = size * 1.05 > zipfile.ZIP64_LIMIT
    begin = archive.start_dir + 30 + len(info.filename) + (20 if is_large else 0) + 4
    fill = -begin % _ALIGNMENT
    info.extra = struct.pack("<2sH", b"FB", fill) + b"Z" * fill
    with archive.open(info, "w", force_zip64=is_large) as member:
        for chunk in chunks:
            member.write(chunk)


class _Unpickler(pickle.Unpickler):
    """Reads data.pkl, and of all that a pickle may call only what torch.save writes."""

    def __init__(self, file, archive, prefix):
        super().__init__(file, encoding="utf-8")
        self.archive = archive
        self.prefix = prefix

    def find_class(self, module, name):
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild_tensor
        if (module, name) == ("collections", "OrderedDict"):
            return dict
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        raise pickle.UnpicklingError(f"Unsupported class {module}.{name} in a checkpoint")

    def persistent_load(self, reference):
        _, typecode, key, _, _ = reference

        def read():
            try:
                return array(typecode, self.archive.read(f"{self.prefix}data/{key}"))
            except (zipfile.BadZipFile, zlib.error, EOFError, KeyError) as error:
                raise RuntimeError(f"PytorchStreamReader failed reading file data/{key}: {error}") from None

        return typecode, read


def _rebuild_tensor(storage, offset, shape, strides, *_):
    typecode, read = storage
    count = _product(shape)
    contiguous = tuple(_product(shape[axis + 1 :]) for axis in range(len(shape)))
    if any(length > 1 and real != plain for length, real, plain in zip(shape, strides, contiguous)):
        raise pickle.UnpicklingError("Only contiguous tensors can be read without torch")
    return Tensor(tuple(shape), typecode, count, lambda: read()[offset : offset + count])
