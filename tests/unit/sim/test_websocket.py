"""The websocket side of the simulators speaks RFC 6455, however the bytes are cut."""

from __future__ import annotations

from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from buildplate_sim.web import Connection
from buildplate_sim.websocket import WebSocket, accept_key, frame, unmask

MASK = b"\x11\x22\x33\x44"


class Ear(WebSocket):
    def __init__(self) -> None:
        super().__init__(cast("Connection", None))
        self.heard: list[str] = []

    def received(self, text: str) -> None:
        self.heard.append(text)


def masked(payload: bytes, opcode: int = 1, *, final: bool = True) -> bytes:
    plain = frame(payload, opcode)
    begin = len(plain) - len(payload)
    head = bytearray(plain[:begin])
    head[1] |= 0x80
    if not final:
        head[0] &= 0x7F
    return bytes(head) + MASK + unmask(payload, MASK)


def test_the_handshake_is_the_one_of_the_standard() -> None:
    assert accept_key("dGhlIHNhbXBsZSBub25jZQ==") == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def test_frames_carry_their_length_in_the_shortest_way() -> None:
    for size, head in ((5, 2), (125, 2), (126, 4), (65535, 4), (65536, 10)):
        assert len(frame(b"x" * size)) == size + head


@given(
    st.lists(st.text(max_size=300), min_size=1, max_size=5),
    st.lists(st.integers(1, 60), min_size=1, max_size=40),
)
def test_messages_arrive_whole_however_they_are_cut(texts: list[str], cuts: list[int]) -> None:
    stream = b"".join(masked(text.encode()) for text in texts)
    ear = Ear()
    while stream:
        size = cuts[len(stream) % len(cuts)]
        ear.feed(stream[:size])
        stream = stream[size:]
    assert ear.heard == texts


def test_a_message_in_pieces_is_put_together() -> None:
    ear = Ear()
    ear.feed(masked(b"one ", final=False) + masked(b"message", 0))
    assert ear.heard == ["one message"]


def test_a_client_that_does_not_read_loses_messages_and_not_the_host() -> None:
    class Stuck:
        def is_closing(self) -> bool:
            return False

        def get_write_buffer_size(self) -> int:
            return 2 << 20

    class Line:
        transport = Stuck()

        def write(self, data: bytes) -> None:
            raise AssertionError(data)

    ear = Ear()
    ear.connection = cast("Any", Line())
    ear.send(frame(b"x"))
    assert ear.dropped == 1
