"""How a rank waits: for its peers, for time to pass, and all the while for the end of the process that started it."""

import os
import select
import sys


class Lifeline:
    """A pipe whose other end only the starting process holds: it closes when that process ends, however it ends.

    detectron2's ranks may outlive a killed parent. These must not: tests and demos kill a lot.
    """

    def __init__(self, descriptor):
        self._descriptor = descriptor

    def wait_readable(self, connection, timeout_s):
        """Whether within the time something came in on the socket, or its other end was closed."""
        poll = select.poll()
        for descriptor in (connection, self._descriptor):
            if descriptor is not None:
                poll.register(descriptor, select.POLLIN)
        ready = [descriptor for descriptor, _ in poll.poll(max(0.0, timeout_s) * 1000)]
        if self._descriptor in ready:
            self._end()
        return bool(ready)

    def sleep(self, seconds):
        if seconds > 0:
            self.wait_readable(None, seconds)

    def _end(self):
        sys.stderr.write("The process that started this rank is gone; ending.\n")
        sys.stderr.flush()
        os._exit(1)
