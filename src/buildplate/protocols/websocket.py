"""The client's side of a websocket (RFC 6455) without a socket: bytes in, messages out.

No extension is offered, so a frame with a reserved bit is refused. Text is handed on as the bytes
that came: whoever reads it as UTF-8 or JSON has to refuse what is none.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import NamedTuple

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
PART = 0
"""What a frame is told as that completes no message: a fragment, kept until the last one."""

NORMAL, PROTOCOL_ERROR, BAD_CONTENT, TOO_BIG = 1000, 1002, 1007, 1009
CONTROL_LIMIT = 125
"""Bytes that the payload of a control frame may have."""

_CONTINUATION, _FINAL, _RESERVED, _OPCODE, _MASKED = 0, 0x80, 0x70, 0x0F, 0x80
_MEDIUM, _LONG = 126, 127
_HEAD, _SHORT = 2, 4
_WHOLE_TEXT = _FINAL | TEXT
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

Message = tuple[int, bytes]
"""What a frame has completed (TEXT, BINARY, CLOSE, PING, PONG, or PART), and its payload."""


class BadFrame(Exception):
    """The peer broke the protocol; `code` is what to close the websocket with (RFC 6455, 7.4.1)."""

    code = PROTOCOL_ERROR


class Masked(BadFrame):
    """A server masks nothing (RFC 6455, 5.1)."""


class Unagreed(BadFrame):
    """A reserved bit is an extension's, and none was agreed on."""


class BadControl(BadFrame):
    """A control frame is whole and short (5.5), and its close code has two bytes."""


class UnknownKind(BadFrame):
    """There is no frame of this kind."""


class OutOfOrder(BadFrame):
    """A fragment continues nothing, or a message begins amid the fragments of another."""


class TooLong(BadFrame):
    """A message has more bytes than are taken."""

    code = TOO_BIG


class Farewell(NamedTuple):
    """What a close frame says; `code` is 1005 where it says nothing (RFC 6455, 7.4.1)."""

    code: int
    words: str


class Frames:
    """Takes the bytes of a peer as they arrive, and gives its messages in their order.

    `limit`: the bytes of one message. What it keeps is at most that, the head of a frame, and what
    was fed beyond it.
    """

    __slots__ = ("_at", "_begun", "_data", "_limit", "_message", "_need")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._data: bytes | bytearray = b""
        self._at = 0
        self._need = _HEAD
        self._begun = 0
        self._message = bytearray()

    def feed(self, data: bytes) -> None:
        """Take bytes in, split anywhere."""
        kept, at = self._data, self._at
        if at == len(kept):  # the usual case costs no copy
            self._data, self._at = data, 0
            return
        if isinstance(kept, bytes):
            kept = self._data = bytearray(memoryview(kept)[at:])
        elif at:
            del kept[:at]
        self._at = 0
        kept += data

    def only(self, data: bytes) -> bytes | None:
        """The text, where `data` is one whole frame of it and nothing waits; else it is fed."""
        if not self._data and not self._begun and len(data) > _SHORT and data[0] == _WHOLE_TEXT:
            length, start = data[1], _HEAD
            if length == _MEDIUM:
                length, start = data[2] << 8 | data[3], _SHORT
            if start + length == len(data) and length <= self._limit and data[1] <= _MEDIUM:
                return data[start:]
        self.feed(data)
        return None

    def next(self) -> Message | None:
        """What the next frame says; None until more is fed. BadFrame, and nothing follows it."""
        data, at = self._data, self._at
        if len(data) - at < self._need:
            if at == len(data):
                self._data, self._at = b"", 0
            return None
        first, length, start = data[at], data[at + 1], at + _HEAD
        if length >= _MEDIUM:
            size = 2 if length == _MEDIUM else 8
            if length > _LONG:
                raise Masked
            if len(data) < start + size:
                self._need = _HEAD + size
                return None
            length = int.from_bytes(data[start : start + size], "big")
            start += size
        plain = first == _WHOLE_TEXT and not self._begun and length <= self._limit
        if not plain:
            self._check(first, length)
        end = start + length
        if len(data) < end:
            self._need = end - at
            return None
        payload = data[start:end]
        self._at, self._need = end, _HEAD
        if plain:
            return TEXT, payload if isinstance(payload, bytes) else bytes(payload)
        return self._take(first, bytes(payload))

    def _check(self, first: int, length: int) -> None:
        """Refuse a frame by its head alone, before anything of it is kept."""
        opcode, final = first & _OPCODE, first & _FINAL
        if first & _RESERVED:
            raise Unagreed
        if opcode in (CLOSE, PING, PONG):
            if not final or length > CONTROL_LIMIT:
                raise BadControl
            return
        if opcode not in (_CONTINUATION, TEXT, BINARY):
            raise UnknownKind
        if (opcode == _CONTINUATION) is not bool(self._begun):
            raise OutOfOrder
        if len(self._message) + length > self._limit:
            raise TooLong

    def _take(self, first: int, payload: bytes) -> Message:
        opcode, final = first & _OPCODE, first & _FINAL
        if opcode >= CLOSE:
            return opcode, payload
        if final and opcode != _CONTINUATION:
            return opcode, payload
        self._begun = self._begun or opcode
        self._message += payload
        if not final:
            return PART, b""
        kind, whole = self._begun, bytes(self._message)
        self._begun, self._message = 0, bytearray()
        return kind, whole


def frame(opcode: int, payload: bytes, mask: bytes) -> bytes:
    """One whole frame of a client; `mask` are four bytes that nobody can foresee."""
    length = len(payload)
    if length < _MEDIUM:
        head = bytes((_FINAL | opcode, _MASKED | length))
    elif length < 1 << 16:
        head = bytes((_FINAL | opcode, _MASKED | _MEDIUM)) + length.to_bytes(2, "big")
    else:
        head = bytes((_FINAL | opcode, _MASKED | _LONG)) + length.to_bytes(8, "big")
    key = int.from_bytes((mask * (length // 4 + 1))[:length], "big")
    return head + mask + (int.from_bytes(payload, "big") ^ key).to_bytes(length, "big")


def farewell(payload: bytes) -> Farewell:
    """What a close frame says; BadFrame where a code is cut off."""
    if not payload:
        return Farewell(1005, "")
    if len(payload) == 1:
        raise BadControl
    return Farewell(int.from_bytes(payload[:2], "big"), payload[2:].decode(errors="replace"))


def key_of(nonce: bytes) -> str:
    """What goes into `Sec-WebSocket-Key`; `nonce` are 16 bytes made for this request alone."""
    return base64.b64encode(nonce).decode()


def is_agreed(key: str, headers: Mapping[str, str]) -> bool:
    """Whether the headers of a 101, their names in lower case, agree to the websocket asked for.

    Not where they bring in an extension or a subprotocol: none was offered.
    """
    digest = hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest()
    connection = {word.strip().lower() for word in headers.get("connection", "").split(",")}
    return (
        headers.get("upgrade", "").lower() == "websocket"
        and "upgrade" in connection
        and headers.get("sec-websocket-accept") == base64.b64encode(digest).decode()
        and not headers.get("sec-websocket-extensions")
        and not headers.get("sec-websocket-protocol")
    )
