"""A serial port over telnet (RFC 2217): the host sets its speed and pulls DTR from afar."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from buildplate_sim.firmware.links import TcpClient, TcpLink

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from buildplate_sim.firmware.links import Ears

IAC, DONT, DO, WONT, WILL, SB, SE = 255, 254, 253, 252, 251, 250, 240
BINARY, ECHO, SUPPRESS, COM_PORT = 0, 1, 3, 44
AGREED = frozenset({BINARY, SUPPRESS, COM_PORT})

SIGNATURE, SET_BAUD, SET_SIZE, SET_PARITY, SET_STOP, SET_CONTROL = 0, 1, 2, 3, 4, 5
FLOW_SUSPEND, FLOW_RESUME, LINE_MASK, MODEM_MASK, PURGE = 8, 9, 10, 11, 12
FROM_SERVER = 100
DTR_ON, DTR_OFF = 8, 9
NAME = b"buildplate-sim"
SUBNEGOTIATION_LIMIT = 256
START_BAUD = 9600


class Rfc2217Link(TcpLink):
    """A TCP port that speaks telnet with the COM-PORT option."""

    scheme = "rfc2217"

    def __init__(self, ears: Ears, address: str, port_file: Path, port: int = 0) -> None:
        super().__init__(ears, address, port_file, port)
        self._set: int | None = None
        self._settings = {SET_SIZE: 8, SET_PARITY: 1, SET_STOP: 1}
        self._next: Callable[[int], bool] = self._plain
        self._verb = 0
        self._option = bytearray()

    @property
    def baud(self) -> int | None:
        """What the host has set; the adapter's own speed until then."""
        return self._set or START_BAUD

    def arrived(self, client: TcpClient) -> None:
        """A host has connected: say what this side can do."""
        self._next, self._set = self._plain, None
        self._option.clear()
        super().arrived(client)
        if client is self._client:
            for verb, option in ((WILL, BINARY), (DO, BINARY), (WILL, SUPPRESS), (DO, COM_PORT)):
                client.write(bytes([IAC, verb, option]))

    def encoded(self, data: bytes) -> bytes:
        """A 255 among the data is sent twice."""
        return data.replace(b"\xff", b"\xff\xff")

    def heard(self, data: bytes) -> None:
        """Data and telnet commands in between, however they are split."""
        if self._next == self._plain and IAC not in data:
            super().heard(data)
            return
        plain = bytes(byte for byte in data if self._next(byte))
        if plain:
            super().heard(plain)

    # One byte in each of a command's places; true where it is data after all.

    def _plain(self, byte: int) -> bool:
        if byte == IAC:
            self._next = self._command
        return byte != IAC

    def _command(self, byte: int) -> bool:
        self._next = self._plain
        if byte in {DO, DONT, WILL, WONT}:
            self._verb, self._next = byte, self._told
        elif byte == SB:
            self._option.clear()
            self._next = self._inside
        return byte == IAC

    def _told(self, byte: int) -> bool:
        self._next = self._plain
        self._agree(self._verb, byte)
        return False

    def _inside(self, byte: int) -> bool:
        if byte == IAC:
            self._next = self._leaving
        elif len(self._option) < SUBNEGOTIATION_LIMIT:
            self._option.append(byte)
        return False

    def _leaving(self, byte: int) -> bool:
        if byte == IAC:
            self._option.append(IAC)
            self._next = self._inside
            return False
        self._next = self._plain
        if byte == SE:
            self._order(bytes(self._option))
        return False

    def _agree(self, verb: int, option: int) -> None:
        """Answer an offer or a wish once; agreement to our own offers needs no answer."""
        known = option in AGREED
        if verb == WILL and option not in {COM_PORT, BINARY}:
            self._send(bytes([IAC, DO if known else DONT, option]))
        elif verb == DO and option not in {BINARY, SUPPRESS}:
            self._send(bytes([IAC, WILL if known else WONT, option]))

    def _order(self, option: bytes) -> None:
        if len(option) < 2 or option[0] != COM_PORT:  # noqa: PLR2004 -- the option and its command
            return
        command, value = option[1], option[2:]
        if command == SET_BAUD and len(value) == 4:  # noqa: PLR2004 -- a 32-bit number
            wanted = int(struct.unpack("!I", value)[0])
            if wanted:
                self._set = wanted
            self._answer(command, struct.pack("!I", self.baud or START_BAUD))
        elif command in self._settings and value:
            if value[0]:
                self._settings[command] = value[0]
            self._answer(command, bytes([self._settings[command]]))
        elif command == SET_CONTROL and value:
            if value[0] in {DTR_ON, DTR_OFF}:
                self._ears.dtr(on=value[0] == DTR_ON)
            self._answer(command, value[:1])
        elif command == SIGNATURE:
            self._answer(command, NAME)
        elif command in {LINE_MASK, MODEM_MASK, PURGE, FLOW_SUSPEND, FLOW_RESUME}:
            self._answer(command, value)

    def _answer(self, command: int, value: bytes) -> None:
        body = bytes([COM_PORT, command + FROM_SERVER]) + value.replace(b"\xff", b"\xff\xff")
        self._send(bytes([IAC, SB]) + body + bytes([IAC, SE]))

    def _send(self, data: bytes) -> None:
        if self._client is not None:
            self._client.write(data)
