"""What torch.distributed is to GLEE: the ranks of all machines, joined over TCP.

Rank 0 listens at --dist-url and every other rank keeps one connection to it. All sums are made by rank 0 in the order
of the ranks, so a result does not depend on who was faster. When a peer is lost, the next exchange fails on every
rank: rank 0 notices the closed connection, and the others notice that rank 0 ended.
"""

import struct
from array import array
from operator import add

from .lifeline import Lifeline
from .rendezvous import meet

# The 30 minutes that detectron2 grants a collective operation: a rank that hangs costs that long.
TIMEOUT_S = 1800.0
_HEADER = struct.Struct("<QQ")


class Gang:
    """One rank's view of the gang."""

    def __init__(self, rank, world_size, peers, lifeline):
        self.rank = rank
        self.world_size = world_size
        self._peers = peers  # Rank 0: a connection to each other rank, in order. Others: the one to rank 0.
        self._lifeline = lifeline
        self._sequence = 0

    @classmethod
    def alone(cls):
        return cls(0, 1, [], Lifeline(None))

    @classmethod
    def join(cls, rank, world_size, dist_url, lifeline):
        """Returns once all ranks are there."""
        peers, remaining_s = meet(rank, world_size, dist_url, lifeline)
        gang = cls(rank, world_size, peers, lifeline)
        gang.barrier(remaining_s)
        return gang

    def pause(self, seconds):
        """Sleeps, but not past the end of the process that started this rank."""
        self._lifeline.sleep(seconds)

    def all_gather(self, item, timeout_s=TIMEOUT_S):
        """Every rank's bytes, in the order of the ranks."""
        if self.rank != 0:
            self._send(self._peers[0], item)
            return _unpack(self._receive(self._peers[0], timeout_s))
        items = [item] + [self._receive(peer, timeout_s) for peer in self._peers]
        self._reply(_pack(items))
        return items

    def all_reduce(self, values, check=None):
        """The element-wise sum of every rank's floats. `check` sees it on rank 0 before the others get it."""
        if self.rank != 0:
            self._send(self._peers[0], array("d", values).tobytes())
            return list(array("d", self._receive(self._peers[0], TIMEOUT_S)))
        total = values
        for peer in self._peers:
            total = list(map(add, total, array("d", self._receive(peer, TIMEOUT_S))))
        if check:
            check(total)
        self._reply(array("d", total).tobytes())
        return total

    def broadcast(self, values):
        """Rank 0's floats, on every rank."""
        if self.rank != 0:
            return list(array("d", self._receive(self._peers[0], TIMEOUT_S)))
        self._reply(array("d", values).tobytes())
        return values

    def barrier(self, timeout_s=TIMEOUT_S):
        self.all_gather(b"", timeout_s)

    def _reply(self, payload):
        for peer in self._peers:
            self._send(peer, payload)
        self._sequence += 1

    def _send(self, peer, payload):
        try:
            peer.socket.sendall(_HEADER.pack(self._sequence, len(payload)) + payload)
        except OSError:
            raise self._lost(peer) from None

    def _receive(self, peer, timeout_s):
        sequence, length = _HEADER.unpack(self._receive_exactly(peer, _HEADER.size, timeout_s))
        if sequence != self._sequence:
            raise RuntimeError(f"[Rank {self.rank}] Detected mismatch between collectives on ranks.")
        payload = self._receive_exactly(peer, length, timeout_s)
        if self.rank != 0:
            self._sequence += 1
        return payload

    def _receive_exactly(self, peer, length, timeout_s):
        buffer = bytearray(length)
        view, filled = memoryview(buffer), 0
        while filled < length:
            if not self._lifeline.wait_readable(peer.socket, timeout_s):
                raise RuntimeError(
                    f"[Rank {self.rank}] Watchdog caught collective operation timeout: "
                    f"SeqNum={self._sequence} ran for {timeout_s:.0f} seconds before timing out."
                )
            try:
                count = peer.socket.recv_into(view[filled:])
            except OSError:
                count = 0
            if count == 0:
                raise self._lost(peer)
            filled += count
        return buffer

    def _lost(self, peer):
        return RuntimeError(f"[Rank {self.rank}] Connection closed by peer {peer.name}")


def _pack(items):
    return b"".join(struct.pack("<I", len(item)) + bytes(item) for item in items)


def _unpack(payload):
    items, at = [], 0
    while at < len(payload):
        (length,) = struct.unpack_from("<I", payload, at)
        items.append(bytes(payload[at + 4 : at + 4 + length]))
        at += 4 + length
    return items
