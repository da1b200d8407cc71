"""The port itself, for one thread: opened exclusively, read and written without waiting for ever.

A port of this machine is opened by serialx and then read and written directly: the loop that keeps
a planner fed cannot afford a layer. `socket://` is the bytes as they are, `rfc2217://` the same
with serialx's Telnet engine in between.
"""

from __future__ import annotations

import os
import select
import socket
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import TYPE_CHECKING

import serialx
from serialx.platforms.serial_rfc2217 import Rfc2217
from serialx.platforms.serial_rfc2217.types import (
    DoCmd,
    Rfc2217CmdId,
    SetBaudrateCmd,
    TelnetOption,
    WillCmd,
    encode_command,
    iac_escape,
)

from buildplate.drivers.marlin.errors import PortLost
from buildplate.drivers.marlin.refusals import opening_failed
from buildplate.drivers.sdk.unreachable import unreachable

if TYPE_CHECKING:
    from buildplate.drivers.marlin.config import SerialSettings

CHUNK = 16384
WRITE_LIMIT_S = 10.0
"""A port that takes nothing for so long is lost."""
_LOST = select.POLLHUP | select.POLLERR | select.POLLNVAL


class Port(ABC):
    """A way to one board. `wake` and `urgent` are for any thread, all else for the port's own."""

    _raw = True
    """Whether bytes pass as they are."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._wake_in, self._wake_out = os.pipe()
        for end in (self._wake_in, self._wake_out, fd):
            os.set_blocking(end, False)
        self._poll = select.poll()
        self._poll.register(fd, select.POLLIN)
        self._poll.register(self._wake_in, select.POLLIN)
        self._writable = select.poll()
        self._writable.register(fd, select.POLLOUT)
        self._pressing = b""

    def wake(self) -> None:
        """End the wait of `read`."""
        with suppress(BlockingIOError, OSError):
            os.write(self._wake_out, b"!")

    def read(self, timeout_s: float) -> bytes:
        """What has arrived, after at most so long; empty when nothing has. PortLost."""
        for fd, event in self._poll.poll(timeout_s * 1000 if timeout_s > 0 else 0):
            if fd == self._wake_in:
                with suppress(BlockingIOError):
                    os.read(self._wake_in, CHUNK)
            elif event & select.POLLIN:
                return self._receive() if self._raw else self._decoded(self._receive())
            elif event & _LOST:
                raise PortLost("the port is gone: the printer was unplugged or switched off")
        return b""

    def _receive(self) -> bytes:
        try:
            data = os.read(self._fd, CHUNK)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise PortLost(
                "the port is gone: the printer was unplugged or switched off", cause=str(error)
            ) from error
        if not data:
            raise PortLost("the connection was closed at the other end")
        return data

    def write(self, data: bytes) -> None:
        """Hand over all bytes; PortLost where the port does not take them."""
        if not self._raw:
            data = self._encoded(data)
        while data or self._pressing:
            if self._pressing:
                data, self._pressing = self._pressing + data, b""
            try:
                sent = os.write(self._fd, data)
            except BlockingIOError:
                if not self._writable.poll(WRITE_LIMIT_S * 1000):
                    raise PortLost("the port takes no bytes any more") from None
                continue
            except OSError as error:
                raise PortLost("the port is gone while writing", cause=str(error)) from error
            data = data[sent:]

    def urgent(self, data: bytes) -> bool:
        """Write at once, from any thread, before whatever else is still to be written; PortLost.

        False where the port did not take all of it: then all of it, from its first byte, is what
        `write` hands over before anything else. So it must begin with a line end.
        """
        data = self._encoded(data)
        try:
            sent = os.write(self._fd, data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            raise PortLost("the port is gone while writing", cause=str(error)) from error
        if sent < len(data):
            self._pressing = data
        return sent == len(data)

    @abstractmethod
    def set_baud(self, baud: int) -> None:
        """Change the speed; PortLost. Nothing where a port has none."""

    @property
    @abstractmethod
    def has_speed(self) -> bool:
        """Whether the speed is ours to set."""

    def close(self) -> None:
        """Let go of it; twice is fine."""
        for end in (self._wake_in, self._wake_out):
            with suppress(OSError):
                os.close(end)
        self._wake_in = self._wake_out = self._fd = -1

    def _decoded(self, data: bytes) -> bytes:
        return data

    def _encoded(self, data: bytes) -> bytes:
        return data


class DevicePort(Port):
    """A serial device of this machine."""

    def __init__(self, path: str, baud: int) -> None:
        self._serial = serialx.serial_for_url(path, baudrate=baud, exclusive=True)
        try:
            self._serial.open()
            super().__init__(self._serial.fileno())
        except (OSError, serialx.SerialException) as error:
            with suppress(OSError):
                self._serial.close()
            raise opening_failed(path, error) from error

    @property
    def has_speed(self) -> bool:
        """It has one."""
        return True

    def set_baud(self, baud: int) -> None:
        """Change the speed of the open device."""
        try:
            self._serial.reconfigure_port(baudrate=baud)
        except (OSError, serialx.SerialException) as error:
            raise PortLost(f"the port cannot be set to {baud} baud", cause=str(error)) from error

    def close(self) -> None:
        """Let go of the device and its lock."""
        super().close()
        with suppress(OSError, serialx.SerialException):
            self._serial.close()


class SocketPort(Port):
    """A TCP connection that carries the bytes as they are."""

    def __init__(self, host: str, port: int, limit_s: float) -> None:
        try:
            self._socket = socket.create_connection((host, port), timeout=limit_s)
        except OSError as error:
            raise unreachable(error) from error
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().__init__(self._socket.fileno())

    @property
    def has_speed(self) -> bool:
        """The other end sets it."""
        return False

    def set_baud(self, baud: int) -> None:
        """Nothing: the other end sets it."""

    def close(self) -> None:
        """Close the connection."""
        super().close()
        self._socket.close()


class Rfc2217Port(SocketPort):
    """A TCP connection to a device server that also takes the speed (RFC 2217)."""

    _raw = False

    def __init__(self, host: str, port: int, limit_s: float, baud: int) -> None:
        self._engine = Rfc2217()
        super().__init__(host, port, limit_s)
        self._early = b""
        self._limit_s = limit_s
        try:
            for offer in (
                WillCmd(option=TelnetOption.BINARY),
                DoCmd(option=TelnetOption.BINARY),
                WillCmd(option=TelnetOption.COM_PORT_OPTION),
            ):
                self._tell(encode_command(offer))
            self._engine.mark_negotiated()
            self.set_baud(baud)
        except PortLost:
            self.close()
            raise

    @property
    def has_speed(self) -> bool:
        """The device server sets it for us."""
        return True

    def set_baud(self, baud: int) -> None:
        """Ask for the speed and wait until it is set; PortLost when nobody answers."""
        self._tell(encode_command(SetBaudrateCmd(baudrate=baud)))
        left = 100
        while self._engine.pop_pending_rfc2217(Rfc2217CmdId.SET_BAUDRATE) is None:
            self._early += super().read(self._limit_s / 100)
            left -= 1
            if left <= 0:
                raise PortLost("the device server does not set the speed: is it RFC 2217?")

    def read(self, timeout_s: float) -> bytes:
        """What has arrived of the board's own bytes."""
        if self._early:
            early, self._early = self._early, b""
            return early
        return super().read(timeout_s)

    def _tell(self, command: bytes) -> None:
        try:
            os.write(self._fd, command)
        except OSError as error:
            raise PortLost("the device server is gone", cause=str(error)) from error

    def _decoded(self, data: bytes) -> bytes:
        said, answers = self._engine.feed(data)
        for answer in answers:
            self._tell(encode_command(answer))
        return said

    def _encoded(self, data: bytes) -> bytes:
        return iac_escape(data)


def opened(settings: SerialSettings, baud: int, limit_s: float) -> Port:
    """Open the port of a printer's settings; PrinterOffline and its kinds."""
    place = settings.network
    if place is None:
        return DevicePort(settings.port, baud)
    scheme, host, port = place
    if scheme == "rfc2217":
        return Rfc2217Port(host, port, limit_s, baud)
    return SocketPort(host, port, limit_s)
