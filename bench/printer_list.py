"""A1: the list of 200 printers over REST, as replies per CPU-second of the server.

Ours is the whole way of a client's request: the server as it is served, the check of the key, the
limits, the log. Once the printers rest, once each of them has changed before every request. The
peers answer the same list, byte for byte the same size, from memory and ask nobody for a key. The
floor is uvicorn alone: an app that sends these bytes, as they lie, to whoever asks for anything.
"""

from __future__ import annotations

import socket
import statistics
import sys
import tempfile
import threading
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from bench.list_server import READY
from bench.processes import own_cpu_seconds, running
from bench.rows import Row

NAME = "A1 list of printers"
KINDS = ("ours", "restless", "pydantic", "orjson", "bare")
CLIENTS, EACH, ROUNDS = 4, 400, 5
EACH_RESTLESS = 50
GOAL = 4500.0
PART = 4500 / 5040
"""The goal as a ratio within one run: of FastAPI and orjson where both were measured first."""


@dataclass
class Server:
    """One of the servers, and what it did in each round, in replies per CPU-second."""

    kind: str
    pid: int
    port: int
    keys: list[str]
    rates: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """The median of the rounds."""
        return statistics.median(self.rates)

    def times(self, other: Server) -> float:
        """How often the other's rate, the median of the rounds' ratios."""
        pairs = zip(self.rates, other.rates, strict=True)
        return statistics.median(ours / theirs for ours, theirs in pairs)


def run() -> list[Row]:
    """Measures in rounds of all servers."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        servers = {kind: _start(kind, Path(folder), stack) for kind in KINDS}
        size = len(_Client(servers["ours"], 0).ask())
        for _ in range(ROUNDS):
            for server in servers.values():
                server.rates.append(_replies_per_cpu_second(server))
    ours, restless, pydantic, orjson, bare = (servers[kind] for kind in KINDS)
    unit, part = "replies/CPU-s", ours.times(orjson)
    return [
        Row("size of the list", size / 1000, "kB"),
        Row("FastAPI and pydantic, no key, no limits", pydantic.rate, unit),
        Row("FastAPI and orjson, no key, no limits", orjson.rate, unit),
        Row("bare uvicorn sending the same bytes", bare.rate, unit),
        Row("ours, the median of five rounds", ours.rate, unit, "≥ 4,500", ours.rate >= GOAL),
        Row("ours, the worst round", min(ours.rates), unit),
        Row("ours, the best round", max(ours.rates), unit),
        Row("ours ÷ FastAPI and pydantic", ours.times(pydantic), ""),
        Row("ours ÷ FastAPI and orjson", part, "", "≥ 0.893 (4,500 of 5,040)", part >= PART),
        Row("ours ÷ bare uvicorn sending the same bytes", ours.times(bare), ""),
        Row("ours, all 200 changed before every request", restless.rate, unit),
    ]


def _start(kind: str, folder: Path, stack: ExitStack) -> Server:
    command = [sys.executable, "-m", "bench.list_server", kind, str(folder)]
    (folder / kind).mkdir()
    pid = stack.enter_context(running(command, READY))
    port, *keys = (folder / kind / "at").read_text().split()
    server = Server(kind, pid, int(port), keys)
    if kind == "ours":
        (folder / "list.json").write_bytes(_Client(server, 0).ask())
    return server


def _replies_per_cpu_second(server: Server) -> float:
    clients = [_Client(server, nth) for nth in range(CLIENTS)]
    for client in clients:
        client.ask()
    each = EACH_RESTLESS if server.kind == "restless" else EACH
    threads = [threading.Thread(target=client.ask_often, args=(each,)) for client in clients]
    before = own_cpu_seconds(server.pid)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    used = own_cpu_seconds(server.pid) - before
    assert all(client.answered == each + 1 for client in clients)
    return CLIENTS * each / used


class _Client:
    """One kept-open connection; it reads no more of an answer than how long it is."""

    def __init__(self, server: Server, nth: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", server.port), timeout=30)
        self._buffer = memoryview(bytearray(1 << 20))
        key = f"X-Api-Key: {server.keys[nth]}\r\n" if server.keys else ""
        head = f"GET /api/v1/printers HTTP/1.1\r\nHost: 127.0.0.1\r\n{key}Accept: */*\r\n\r\n"
        self._request = head.encode()
        self.answered = 0

    def ask(self) -> bytes:
        """One request and the body of its answer."""
        self._socket.sendall(self._request)
        got = self._receive(0)
        while (end := bytes(self._buffer[:got]).find(b"\r\n\r\n")) < 0:
            got = self._receive(got)
        head = bytes(self._buffer[:end]).lower()
        assert head.startswith(b"http/1.1 200 "), head
        whole = end + 4 + int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
        while got < whole:
            got = self._receive(got)
        assert got == whole
        self.answered += 1
        return bytes(self._buffer[end + 4 : whole])

    def ask_often(self, times: int) -> None:
        """One request after the other."""
        for _ in range(times):
            self.ask()

    def _receive(self, got: int) -> int:
        more = self._socket.recv_into(self._buffer[got:])
        if not more:
            raise ConnectionError(got)
        return got + more
