"""What must be written at once is written, or told to have failed; never dropped."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from buildplate.drivers.marlin.errors import PortLost
from buildplate.drivers.marlin.port import SocketPort

STOP = b"\nM112\n"


@pytest.fixture
def ends() -> Iterator[tuple[SocketPort, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        host, number = server.getsockname()
        port = SocketPort(host, number, 5.0)
        peer = server.accept()[0]
        yield port, peer
        peer.close()
        port.close()


def filled(port: SocketPort) -> int:
    """Write until the port takes no more; how many bytes that were."""
    port._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    size = 0
    while port.urgent(b"x" * 1024):
        size += 1024
    port._pressing = b""
    return size


def test_a_stop_that_finds_the_port_full_is_the_next_thing_that_is_written(
    ends: tuple[SocketPort, socket.socket],
) -> None:
    port, peer = ends
    filled(port)
    while port.urgent(STOP):
        pass
    assert port.urgent(STOP) is False
    peer.settimeout(0)
    heard = drained(peer)
    port.write(b"G1 X1\n")
    peer.settimeout(5)
    while not heard.endswith(b"G1 X1\n"):
        heard += peer.recv(65536)
    assert heard.endswith(STOP + b"G1 X1\n")


def drained(peer: socket.socket) -> bytes:
    heard = b""
    try:
        while piece := peer.recv(65536):
            heard += piece
    except BlockingIOError:
        pass
    return heard


def test_a_stop_on_a_port_that_is_gone_is_told(ends: tuple[SocketPort, socket.socket]) -> None:
    port, peer = ends
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    peer.close()
    with pytest.raises(PortLost):
        port.urgent(STOP)
