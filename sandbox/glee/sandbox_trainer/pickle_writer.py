"""Pickles (protocol 2) of plain data that names classes which are not installed here.

The library's own pickler imports every class that it names, and there is no torch to import.
"""

import struct


class Global:
    """A class or function by module and name."""

    def __init__(self, module, name):
        self.module = module
        self.name = name


class Reduce:
    """The result of a call, made when the pickle is read."""

    def __init__(self, function, arguments):
        self.function = function
        self.arguments = arguments


class Reference:
    """A persistent id: something outside the pickle that the reader has to fetch."""

    def __init__(self, value):
        self.value = value


def dump_pickle(value, substitute):
    """The pickle of a value; `substitute` may replace each value in it before it is written."""
    out = [b"\x80\x02"]
    _write(value, substitute, out.append)
    out.append(b".")
    return b"".join(out)


def _write(value, substitute, emit):
    value = substitute(value)
    if value is None or isinstance(value, bool):
        emit({None: b"N", True: b"\x88", False: b"\x89"}[value])
    elif isinstance(value, int):
        # BININT holds 32 bits, LONG1 up to 255 bytes.
        small = -(1 << 31) <= value < 1 << 31
        emit(b"J" + struct.pack("<i", value) if small else b"\x8a\x09" + value.to_bytes(9, "little", signed=True))
    elif isinstance(value, float):
        emit(b"G" + struct.pack(">d", value))
    elif isinstance(value, str):
        encoded = value.encode("utf-8")
        emit(b"X" + struct.pack("<I", len(encoded)) + encoded)
    elif isinstance(value, (tuple, list)):
        emit(b"(" if isinstance(value, tuple) else b"](")
        for item in value:
            _write(item, substitute, emit)
        emit(b"t" if isinstance(value, tuple) else b"e")
    elif isinstance(value, dict):
        emit(b"}(")
        for pair in value.items():
            for item in pair:
                _write(item, substitute, emit)
        emit(b"u")
    elif isinstance(value, Global):
        emit(f"c{value.module}\n{value.name}\n".encode())
    elif isinstance(value, Reference):
        _write(value.value, substitute, emit)
        emit(b"Q")
    elif isinstance(value, Reduce):
        _write(value.function, substitute, emit)
        _write(value.arguments, substitute, emit)
        emit(b"R")
    else:
        raise TypeError(f"a {type(value).__name__} cannot be pickled")
