"""A relay between a driver and its host that loses, holds, cuts, garbles and repeats on demand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum

from buildplate.drivers.sdk.conformance.frames import HEAD_END, Plain

CHUNK = 64 << 10
STUB = 9
SLOW_BYTES, APART_S = 6, 0.004
"""By bytes: the last ones of a piece come so far apart that no buffer joins them again."""
GARBAGE = b"\x16\x03\x01 this is not the answer you are looking for\r\n\r\n"


class Fate(StrEnum):
    """What becomes of one request and its answer."""

    LOSE_ANSWER = "the request arrives, its connection is cut before the answer"
    NEVER_ANSWER = "the request arrives, nothing ever comes back"
    CUT = "the connection is cut before the request arrives"
    HOLD = "the request arrives later, whether anybody still waits or not"
    REPLAY = "the request arrives twice"
    GARBLE = "the request arrives, the answer is nonsense"
    STUB = "the request arrives, the first bytes of the answer come back"
    TRUNCATE = "the request arrives, half of the answer's first piece comes back"


@dataclass(slots=True)
class _Plan:
    marker: bytes
    fate: Fate
    seconds: float


@dataclass(slots=True)
class _Link:
    """One connection through the relay; `sent` is what the driver sent since the last answer.

    `said` is the same as it was meant: on a websocket without frames and masks.
    """

    client: asyncio.StreamWriter
    host: asyncio.StreamWriter
    sent: bytearray = field(default_factory=bytearray)
    said: bytearray = field(default_factory=bytearray)
    plain: Plain = field(default_factory=Plain)
    fate: Fate | None = None


class Relay:
    """Listens on `address` while `serving`; all goes to `target` until a plan or mode says else."""

    def __init__(self, target: tuple[str, int]) -> None:
        self.target = target
        self.address = ("", 0)
        self.by_bytes = False
        self._plans: list[_Plan] = []
        self._links: set[asyncio.StreamWriter] = set()
        self._hosts: set[asyncio.StreamWriter] = set()
        self._passing = asyncio.Event()
        self._passing.set()
        self._tasks: asyncio.TaskGroup | None = None

    # --- what checks ask for ---------------------------------------------------------------------

    def next(self, marker: bytes, fate: Fate, seconds: float = 0.0) -> None:
        """Let `fate` befall the next request whose bytes hold `marker`."""
        self._plans.append(_Plan(marker, fate, seconds))

    def mute(self) -> None:
        """From now on nothing passes in either direction; connections are still accepted."""
        self._passing.clear()

    def unmute(self) -> None:
        """Let pass what has waited."""
        self._passing.set()

    def cut(self) -> None:
        """Cut every open connection."""
        for writer in [*self._links, *self._hosts]:
            writer.transport.abort()

    @property
    def open_connections(self) -> int:
        """Connections that the driver still holds."""
        return len(self._links)

    def reset(self) -> None:
        """Forget all plans and modes."""
        self._plans.clear()
        self.by_bytes = False
        self.unmute()

    # --- relaying --------------------------------------------------------------------------------

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Relay]:
        """Relay for the block; all its connections and tasks are gone afterwards."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
            self.address = server.sockets[0].getsockname()[:2]
            try:
                yield self
            finally:
                server.close()
                self.reset()
                self.cut()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._tasks is not None:
            self._links.add(writer)
            self._tasks.create_task(self._serve(reader, writer))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._passing.wait()
            back, host = await asyncio.open_connection(*self.target)
        except OSError:
            writer.transport.abort()
            self._links.discard(writer)
            return
        self._hosts.add(host)
        link = _Link(writer, host)
        try:
            async with asyncio.TaskGroup() as pair:
                pair.create_task(self._up(reader, link))
                pair.create_task(self._down(back, link))
        finally:
            for end in (host, writer):
                end.transport.abort()
            self._hosts.discard(host)
            self._links.discard(writer)

    async def _up(self, reader: asyncio.StreamReader, link: _Link) -> None:
        """From the driver to the host, to the driver's end."""
        with suppress(OSError):
            while data := await reader.read(CHUNK):
                await self._passing.wait()
                link.sent += data
                told = link.plain.read(data)
                link.said += told
                plan = self._plan_for(link, len(told))
                if plan is None:
                    await self._write(link.host, data)
                elif not await self._befall(plan, link, data):
                    break
        if link.fate is not Fate.HOLD:
            link.host.transport.abort()
        self._links.discard(link.client)

    async def _befall(self, plan: _Plan, link: _Link, data: bytes) -> bool:
        """Carry a plan out on the request that has just arrived; False ends the connection."""
        link.fate = plan.fate
        if plan.fate is Fate.CUT:
            link.client.transport.abort()
            return False
        if plan.fate is Fate.HOLD:
            await asyncio.sleep(plan.seconds)
        await self._write(link.host, data)
        if plan.fate is Fate.REPLAY and self._tasks is not None:
            opening = link.plain.opening
            self._tasks.create_task(self._replay(opening, bytes(link.sent), plan.seconds))
            link.fate = None
        return True

    async def _replay(self, opening: bytes, request: bytes, seconds: float) -> None:
        """Send the same bytes on a connection of their own, on a websocket after its opening."""
        await asyncio.sleep(seconds)
        with suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
            reader, writer = await asyncio.open_connection(*self.target)
            try:
                async with asyncio.timeout(5):
                    if opening:
                        writer.write(opening)
                        await reader.readuntil(HEAD_END)
                    writer.write(request)
                    await reader.read(CHUNK)
            finally:
                writer.transport.abort()

    def _plan_for(self, link: _Link, new: int) -> _Plan | None:
        """The plan whose marker the last `new` bytes have completed."""
        for plan in self._plans:
            begin = max(0, len(link.said) - new - len(plan.marker) + 1)
            if link.said.find(plan.marker, begin) >= 0:
                self._plans.remove(plan)
                return plan
        for kept in (link.sent, link.said):
            if len(kept) > 4 * CHUNK:
                del kept[:-CHUNK]
        return None

    async def _down(self, reader: asyncio.StreamReader, link: _Link) -> None:
        """From the host to the driver, to the host's end."""
        with suppress(OSError):
            while data := await reader.read(CHUNK):
                await self._passing.wait()
                if not await self._back(link, data):
                    break
        if link.fate is not Fate.NEVER_ANSWER:
            link.client.transport.abort()

    async def _back(self, link: _Link, data: bytes) -> bool:
        """Relay an answer, or what its fate leaves of it; False ends the connection."""
        match link.fate:
            case Fate.LOSE_ANSWER:
                return False
            case Fate.NEVER_ANSWER:
                return True
            case Fate.GARBLE:
                await self._write(link.client, GARBAGE)
                await asyncio.sleep(0.05)
                return False
            case Fate.STUB | Fate.TRUNCATE:
                half = STUB if link.fate is Fate.STUB else len(data) // 2
                await self._write(link.client, data[:half])
                await asyncio.sleep(0.05)
                return False
            case _:
                link.sent.clear()
                link.said.clear()
                await self._write(link.client, data)
                return True

    async def _write(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        if not self.by_bytes:
            writer.write(data)
            await writer.drain()
            return
        slow = len(data) - SLOW_BYTES
        for at in range(len(data)):
            writer.write(data[at : at + 1])
            await writer.drain()
            if at >= slow:
                await asyncio.sleep(APART_S)
