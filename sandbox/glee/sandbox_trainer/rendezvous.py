"""How the ranks of a gang find each other: rank 0 listens at --dist-url, the others connect and say who they are."""

import os
import socket
import struct
import time

_HELLO = struct.Struct("<8sII")
_MAGIC = b"glee-box"


def meet(rank, world_size, dist_url, lifeline):
    """The connections of this rank to its peers, and the seconds that are left for the others to get theirs.

    torch waits for half an hour; a minute is what tests and demos have patience for.
    """
    host, port = _address(dist_url)
    deadline = time.monotonic() + float(os.getenv("SANDBOX_RENDEZVOUS_SECONDS", "60"))
    connect = _accept_all if rank == 0 else _connect
    peers = connect(rank, world_size, host, port, deadline, lifeline)
    return peers, deadline - time.monotonic()


class Peer:
    """A connection, and how to speak of it."""

    def __init__(self, connection):
        connection.settimeout(None)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = connection
        host, port = connection.getpeername()[:2]
        self.name = f"[{host}]:{port}"


def _address(dist_url):
    scheme, _, rest = dist_url.partition("://")
    host, _, port = rest.rpartition(":")
    if scheme != "tcp" or not host or not port.isdigit():
        raise ValueError(f"--dist-url must be tcp://HOST:PORT, not '{dist_url}'")
    return host.strip("[]"), int(port)


def _accept_all(_rank, world_size, host, port, deadline, lifeline):
    listener = _listen(host, port)
    peers = {}
    while len(peers) < world_size - 1:
        if not lifeline.wait_readable(listener, deadline - time.monotonic()):
            raise RuntimeError(
                "Timed out initializing process group in store based barrier on rank: 0, for key: "
                f"store_based_barrier_key:1 (world_size={world_size}, worker_count={len(peers) + 1})"
            )
        connection, _ = listener.accept()
        rank = _read_hello(connection, world_size)
        if rank is None or rank in peers:
            connection.close()  # A port scanner, or a rank of another training.
        else:
            peers[rank] = Peer(connection)
    listener.close()
    return [peers[rank] for rank in sorted(peers)]


def _listen(host, port):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        raise RuntimeError(
            "The server socket has failed to listen on any local network address. The server socket has failed to "
            f"bind to [{host}]:{port} (errno: {error.errno} - {error.strerror})."
        ) from None
    listener.listen(256)
    return listener


def _read_hello(connection, world_size):
    """The rank that a connection says it is, or None when it does not belong to this gang."""
    connection.settimeout(2.0)
    try:
        magic, rank, of = _HELLO.unpack(connection.recv(_HELLO.size))
    except (OSError, struct.error):
        return None
    return rank if magic == _MAGIC and of == world_size and 0 < rank < world_size else None


def _connect(rank, world_size, host, port, deadline, lifeline):
    """Tries until rank 0 listens: its machine may start later."""
    pause = 0.005
    while True:
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            raise TimeoutError(f"The client socket has timed out while trying to connect to ({host}, {port}).")
        try:
            connection = socket.create_connection((host, port), timeout=remaining)
            if connection.getsockname() == connection.getpeername():
                # With no one listening, TCP may connect a local port to itself. It would keep rank 0 off the port.
                connection.close()
                continue
            connection.sendall(_HELLO.pack(_MAGIC, rank, world_size))
            return [Peer(connection)]
        except OSError:
            lifeline.sleep(min(pause, remaining))
            pause = min(pause * 1.5, 0.2)
