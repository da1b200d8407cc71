"""Reads what a driver says on a websocket (RFC 6455), for a relay that looks for its requests."""

from __future__ import annotations

HEAD_END = b"\r\n\r\n"
HEAD_LIMIT = 64 << 10
_UPGRADE = b"upgrade: websocket"
_SHORT, _TWO_BYTES, _EIGHT_BYTES = 125, 126, 127
_MASKED, _LENGTH = 0x80, 0x7F


class Plain:
    """The bytes of one connection as they were meant: those of a websocket without their mask."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._left = bytearray()
        self._known = False
        self.opening = b""

    @property
    def is_websocket(self) -> bool:
        """Whether the connection began with the request for a websocket, which is `opening`."""
        return bool(self.opening)

    def read(self, data: bytes) -> bytes:
        """The next bytes from the wire; what they say, as far as it is complete."""
        if self.is_websocket:
            return self._frames(data)
        if self._known:
            return data
        self._head += data
        end = self._head.find(HEAD_END)
        if end < 0 and len(self._head) < HEAD_LIMIT:
            return data
        self._known = True
        if _UPGRADE not in bytes(self._head[: max(end, 0)]).lower():
            self._head.clear()
            return data
        end += len(HEAD_END)
        self.opening, rest = bytes(self._head[:end]), bytes(self._head[end:])
        self._head.clear()
        return self._frames(rest)

    def _frames(self, data: bytes) -> bytes:
        self._left += data
        said = bytearray()
        while (frame := self._frame()) is not None:
            said += frame
        return bytes(said)

    def _frame(self) -> bytes | None:
        """Take one whole frame off; its payload, None where it has not arrived yet."""
        left = self._left
        if len(left) < 2:  # noqa: PLR2004 (the shortest frame)
            return None
        size, at = left[1] & _LENGTH, 2
        if size > _SHORT:
            wide = 2 if size == _TWO_BYTES else 8
            size, at = int.from_bytes(left[2 : 2 + wide]), 2 + wide
        mask = 4 if left[1] & _MASKED else 0
        if len(left) < at + mask + size:
            return None
        key = bytes(left[at : at + mask]) or b"\0\0\0\0"
        payload = left[at + mask : at + mask + size]
        del left[: at + mask + size]
        return bytes(byte ^ key[place % 4] for place, byte in enumerate(payload))
