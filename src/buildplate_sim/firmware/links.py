"""How a host reaches a simulated board: a pseudo-terminal, or a TCP port."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import select
import struct
import tty
from typing import TYPE_CHECKING, Any, Protocol, cast

if TYPE_CHECKING:
    from pathlib import Path

CHUNK = 65536
LOOK_S = 0.01
"""Real seconds between looks whether somebody has opened the pseudo-terminal."""

HELD_BYTES = 65536
"""Bytes for a host that does not read; what comes after them is lost, as on a real line."""

_TCGETS2 = 0x802C542A
_TERMIOS2 = struct.Struct("4I20B2I")


class Ears(Protocol):
    """Who listens to a link."""

    def opened(self) -> None:
        """A host has opened it."""

    def closed(self) -> None:
        """The host is gone."""

    def heard(self, data: bytes) -> None:
        """Bytes from the host."""

    def dtr(self, *, on: bool) -> None:
        """The host has set the line that resets many boards."""


class Link(Protocol):
    """One way to a board."""

    async def open(self) -> None:
        """Be there."""

    def plug(self) -> None:
        """Be there again after `close`."""

    def close(self) -> None:
        """Be gone, as when a plug is pulled."""

    def write(self, data: bytes) -> None:
        """Bytes to the host; lost where there is none."""

    def hold(self, *, on: bool) -> None:
        """Read no more for a while (flow control), or go on."""

    @property
    def baud(self) -> int | None:
        """The speed that the host has set; None where a link has none."""

    def announcement(self) -> dict[str, Any]:
        """What whoever started the process wants to know."""


class PtyLink:
    """A pseudo-terminal with a stable name, as udev gives one under /dev/serial/by-id."""

    def __init__(self, ears: Ears, name: Path) -> None:
        self._ears = ears
        self._name = name
        self._loop = asyncio.get_running_loop()
        self._master = -1
        self._open = False
        self._held = False
        self._reading = False
        self._looking: asyncio.TimerHandle | None = None
        self._out = bytearray()
        self._poll = select.poll()

    async def open(self) -> None:
        """Appear under the name."""
        self.plug()

    def plug(self) -> None:
        """Appear under the name, at once."""
        if self._master >= 0:
            return
        self._master, slave = os.openpty()
        tty.setraw(slave)
        os.set_blocking(self._master, False)
        device = os.ttyname(slave)
        # Once opened and closed, the master's poll tells whether anybody has the slave open.
        os.close(slave)
        self._poll = select.poll()
        self._poll.register(self._master, select.POLLIN)
        self._name.parent.mkdir(parents=True, exist_ok=True)
        self._name.unlink(missing_ok=True)
        self._name.symlink_to(device)
        self._look()

    def close(self) -> None:
        """Disappear: whoever has it open gets an end of file."""
        if self._master < 0:
            return
        self._name.unlink(missing_ok=True)
        if self._looking is not None:
            self._looking.cancel()
        self._stop_reading()
        self._loop.remove_writer(self._master)
        os.close(self._master)
        self._master = -1
        self._out.clear()
        if self._open:
            self._open = False
            self._ears.closed()

    @property
    def baud(self) -> int | None:
        """What the host has set with tcsetattr, non-standard speeds too."""
        if self._master < 0:
            return None
        raw = fcntl.ioctl(self._master, _TCGETS2, bytes(_TERMIOS2.size))
        return int(_TERMIOS2.unpack(raw)[-1]) or None

    def announcement(self) -> dict[str, Any]:
        """The name of the port."""
        return {"port": str(self._name)}

    def write(self, data: bytes) -> None:
        """Bytes to the host, as far as it reads."""
        if not self._open:
            return
        if not self._out:
            data = data[self._send(data) :]
            if data:
                self._loop.add_writer(self._master, self._writable)
        self._out += data[: max(0, HELD_BYTES - len(self._out))]

    def hold(self, *, on: bool) -> None:
        """Let the host's bytes wait in the kernel."""
        self._held = on
        if on:
            self._stop_reading()
        elif self._open:
            self._start_reading()

    def _send(self, data: bytes) -> int:
        try:
            return os.write(self._master, data)
        except BlockingIOError:
            return 0
        except OSError:
            return len(data)

    def _writable(self) -> None:
        del self._out[: self._send(bytes(self._out))]
        if not self._out:
            self._loop.remove_writer(self._master)

    def _hung_up(self) -> bool:
        return any(event & select.POLLHUP for _, event in self._poll.poll(0))

    def _look(self) -> None:
        """Has somebody opened it? The kernel tells only who asks."""
        self._looking = None
        if self._hung_up():
            self._looking = self._loop.call_later(LOOK_S, self._look)
            return
        self._open = True
        self._ears.opened()
        if not self._held:
            self._start_reading()

    def _start_reading(self) -> None:
        if not self._reading and self._master >= 0:
            self._reading = True
            self._loop.add_reader(self._master, self._readable)

    def _stop_reading(self) -> None:
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self._master)

    def _readable(self) -> None:
        try:
            data = os.read(self._master, CHUNK)
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            data = b""
        if data:
            self._ears.heard(data)
            return
        self._stop_reading()
        self._loop.remove_writer(self._master)
        self._out.clear()
        self._open = False
        self._ears.closed()
        self._look()


class TcpLink:
    """A TCP port that carries the bytes as they are (`socket://`); one host at a time."""

    scheme = "socket"

    def __init__(self, ears: Ears, address: str, port_file: Path, port: int = 0) -> None:
        self._ears = ears
        self._address = address
        self._port_file = port_file
        self._port = port
        self._server: asyncio.Server | None = None
        self._client: TcpClient | None = None
        self._held = False
        self._away = False

    async def open(self) -> None:
        """Listen, on the port of the last time where there was one."""
        if self._server is not None:
            return
        kept = int(self._port_file.read_text()) if self._port_file.exists() else 0
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            self._made, self._address, self._port or kept, reuse_address=True
        )
        self._port = self._server.sockets[0].getsockname()[1]
        self._port_file.write_text(str(self._port))
        self._away = False

    def plug(self) -> None:
        """Let hosts in again."""
        self._away = False

    def close(self) -> None:
        """Cut whoever is there, and everybody who comes."""
        self._away = True
        if self._client is not None:
            self._client.abort()

    @property
    def baud(self) -> int | None:
        """None: plain TCP has no speed."""
        return None

    def announcement(self) -> dict[str, Any]:
        """The address as a URL."""
        return {"port": f"{self.scheme}://{self._address}:{self._port}"}

    def write(self, data: bytes) -> None:
        """Bytes to the host."""
        if self._client is not None:
            self._client.write(self.encoded(data))

    def hold(self, *, on: bool) -> None:
        """Let the host's bytes wait."""
        self._held = on
        if self._client is not None:
            self._client.hold(on=on)

    def encoded(self, data: bytes) -> bytes:
        """Bytes as they go over the network."""
        return data

    def heard(self, data: bytes) -> None:
        """Bytes from the network."""
        self._ears.heard(data)

    def arrived(self, client: TcpClient) -> None:
        """A host has connected; a second one is turned away, as by a device server."""
        if self._client is not None or self._away:
            client.abort()
            return
        self._client = client
        client.hold(on=self._held)
        self._ears.opened()

    def left(self, client: TcpClient) -> None:
        """A host is gone."""
        if client is self._client:
            self._client = None
            self._ears.closed()

    def _made(self) -> TcpClient:
        return TcpClient(self)


class TcpClient(asyncio.Protocol):
    """The host at the other end of a TCP link."""

    def __init__(self, link: TcpLink) -> None:
        self._link = link
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It has connected."""
        self._transport = cast("asyncio.Transport", transport)
        self._link.arrived(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 -- asyncio's signature
        """It is gone."""
        self._transport = None
        self._link.left(self)

    def data_received(self, data: bytes) -> None:
        """Bytes."""
        self._link.heard(data)

    def write(self, data: bytes) -> None:
        """Send, unless it has stopped reading."""
        transport = self._transport
        if transport is not None and transport.get_write_buffer_size() < HELD_BYTES:
            transport.write(data)

    def hold(self, *, on: bool) -> None:
        """Read no more, or go on."""
        if self._transport is None:
            return
        if on:
            self._transport.pause_reading()
        elif not self._transport.is_closing():
            self._transport.resume_reading()

    def abort(self) -> None:
        """Cut it."""
        if self._transport is not None:
            self._transport.abort()
