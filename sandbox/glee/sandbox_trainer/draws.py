"""Random numbers that depend on their seed alone.

Python's `random` would do, but importing it costs a fifth of the time a rank needs to start, and its sequences are
promised for `random()` only. This is SplitMix64: one 64-bit counter, scrambled.
"""

import zlib

_MASK = (1 << 64) - 1
_STEP = 0x9E3779B97F4A7C15


def _scramble(value):
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)


class Draws:
    """A stream of draws; equal keys (numbers or names) give equal streams, on any machine and in any process."""

    def __init__(self, *keys):
        state = 0
        for key in keys:
            # Not hash(): Python salts it again in every process.
            number = zlib.crc32(key.encode()) if isinstance(key, str) else key
            state = _scramble((state + _STEP + number) & _MASK)
        self._state = state

    def uniform(self, low=0.0, high=1.0):
        self._state = (self._state + _STEP) & _MASK
        return low + (high - low) * (_scramble(self._state) >> 11) / (1 << 53)

    def below(self, count):
        """An integer from 0 to count - 1."""
        return int(self.uniform() * count)

    def matrix(self, rows, columns, scale=1.0):
        return [[self.uniform(-scale, scale) for _ in range(columns)] for _ in range(rows)]
