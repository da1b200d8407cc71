"""Mixes two uploads that are under way at once, as hosts with one shared temporary file do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildplate_sim.pulse import Pulse, Timer


@dataclass(slots=True)
class Waiting:
    """An upload that waits for another one to be mixed with."""

    body: bytearray
    send: Callable[[bytearray], None]
    timer: Timer


class Mixer:
    """Keeps one upload at a time until a second one comes, or its patience ends."""

    def __init__(self, pulse: Pulse) -> None:
        self._pulse = pulse
        self._first: Waiting | None = None

    def take(self, body: bytearray, send: Callable[[bytearray], None], patience_s: float) -> None:
        """Send `body` with the other's file in it; alone it is sent as it is."""
        first = self._first
        if first is None:
            timer = self._pulse.after(patience_s, self._give_up)
            self._first = Waiting(body, send, timer)
            return
        self._first = None
        first.timer.cancel()
        mine, other = exchanged(body, first.body)
        first.send(other)
        send(mine)

    def _give_up(self) -> None:
        first, self._first = self._first, None
        if first is not None:
            first.send(first.body)


def exchanged(one: bytearray, other: bytearray) -> tuple[bytearray, bytearray]:
    """Two multipart bodies with their files exchanged, each file keeping its length."""
    (a, b), (c, d) = _file_span(one), _file_span(other)
    first, second = one[a:b], other[c:d]
    return (
        one[:a] + _fitted(second, b - a) + one[b:],
        other[:c] + _fitted(first, d - c) + other[d:],
    )


def _fitted(content: bytearray, length: int) -> bytearray:
    return (content * (length // max(1, len(content)) + 1))[:length]


def _file_span(body: bytearray) -> tuple[int, int]:
    """Where the file's bytes lie: after the headers that name it, up to the next boundary."""
    boundary = body[: body.index(b"\r\n")]
    begin = body.index(b"\r\n\r\n", body.index(b"filename=")) + 4
    return begin, body.index(b"\r\n" + boundary, begin)
