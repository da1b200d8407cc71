"""The server's side of a websocket (RFC 6455), for small text messages, cheap to broadcast."""

from __future__ import annotations

import base64
import hashlib
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from buildplate_sim.web import Connection

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10
_MESSAGE_LIMIT = 1 << 20
_SHORT, _MEDIUM = 126, 127
BACKLOG_LIMIT = 1 << 20
"""Unsent bytes at which further messages to a client that does not read are dropped."""


def accept_key(key: str) -> bytes:
    """The answer to a client's `Sec-WebSocket-Key`."""
    digest = hashlib.sha1(key.encode("latin-1") + _GUID, usedforsecurity=False).digest()
    return base64.b64encode(digest)


def frame(payload: bytes, opcode: int = _TEXT) -> bytes:
    """One unmasked frame, as servers send them."""
    length = len(payload)
    if length < _SHORT:
        return bytes((0x80 | opcode, length)) + payload
    if length < 1 << 16:
        return struct.pack("!BBH", 0x80 | opcode, _SHORT, length) + payload
    return struct.pack("!BBQ", 0x80 | opcode, _MEDIUM, length) + payload


def unmask(payload: bytes, mask: bytes) -> bytes:
    """The payload without its mask."""
    length = len(payload)
    if not length:
        return b""
    key = (mask * (length // 4 + 1))[:length]
    mixed = int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")
    return mixed.to_bytes(length, "big")


class WebSocket:
    """One client's websocket. Subclasses say what they do with messages."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._buffer = bytearray()
        self._message = bytearray()
        self.dropped = 0

    # --- for subclasses

    def opened(self) -> None:
        """The handshake was answered."""

    def received(self, text: str) -> None:
        """The client has sent a message."""

    def lost(self) -> None:
        """The connection is gone."""

    # --- for everybody

    def send(self, framed: bytes) -> None:
        """Send bytes that `frame` made; dropped when the client does not read."""
        transport = self.connection.transport
        if transport is None or transport.is_closing():
            return
        if transport.get_write_buffer_size() > BACKLOG_LIMIT:
            self.dropped += 1
            return
        self.connection.write(framed)

    def feed(self, data: bytes) -> None:
        """Bytes have arrived."""
        self._buffer += data
        while (parsed := self._take_frame()) is not None:
            final, opcode, payload = parsed
            self._handle(payload, opcode, final=final)

    def _take_frame(self) -> tuple[bool, int, bytes] | None:
        buffer = self._buffer
        if len(buffer) < 2:  # noqa: PLR2004 -- the two bytes every frame begins with
            return None
        length, start = buffer[1] & 0x7F, 2
        if length == _SHORT:
            if len(buffer) < (start := 4):
                return None
            length = int.from_bytes(buffer[2:4], "big")
        elif length == _MEDIUM:
            if len(buffer) < (start := 10):
                return None
            length = int.from_bytes(buffer[2:10], "big")
        masked = bool(buffer[1] & 0x80)
        begin = start + (4 if masked else 0)
        if length > _MESSAGE_LIMIT:
            self.connection.close()
            return None
        if len(buffer) < begin + length:
            return None
        payload = bytes(buffer[begin : begin + length])
        if masked:
            payload = unmask(payload, bytes(buffer[start:begin]))
        final, opcode = bool(buffer[0] & 0x80), buffer[0] & 0x0F
        del buffer[: begin + length]
        return final, opcode, payload

    def _handle(self, payload: bytes, opcode: int, *, final: bool) -> None:
        if opcode == _PING:
            self.send(frame(payload, _PONG))
        elif opcode == _CLOSE:
            self.connection.write(frame(payload[:2], _CLOSE))
            self.connection.close()
        elif opcode != _PONG:
            self._message += payload
            if final:
                text = self._message.decode("utf-8", "replace")
                self._message.clear()
                self.received(text)
