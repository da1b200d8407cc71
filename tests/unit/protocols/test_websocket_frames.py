"""A websocket's frames: read however they are split, and refused where they break the protocol."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buildplate.protocols.websocket import (
    BINARY,
    CLOSE,
    PART,
    PING,
    PONG,
    TEXT,
    BadControl,
    BadFrame,
    Farewell,
    Frames,
    Masked,
    Message,
    OutOfOrder,
    TooLong,
    Unagreed,
    UnknownKind,
    farewell,
    frame,
    is_agreed,
    key_of,
)
from buildplate_sim.websocket import accept_key, unmask

LIMIT = 70_000
CONTROLS = st.tuples(st.sampled_from([PING, PONG]), st.binary(max_size=125))
WHOLE = st.tuples(
    st.sampled_from([TEXT, BINARY]),
    st.one_of(st.binary(max_size=300), st.sampled_from([125, 126, 127, 65_535, 65_536]).map(bytes)),
)


def served(opcode: int, payload: bytes, *, final: bool = True) -> bytes:
    """A frame as a server sends it."""
    first, length = (0x80 if final else 0) | opcode, len(payload)
    if length < 126:
        return bytes((first, length)) + payload
    size = 2 if length < 1 << 16 else 8
    return bytes((first, 126 if size == 2 else 127)) + length.to_bytes(size, "big") + payload


def heard(frames: Frames) -> list[Message]:
    found = []
    while (message := frames.next()) is not None:
        if message[0] != PART:
            found.append(message)
    return found


def in_pieces(wire: bytes, cuts: Sequence[int]) -> list[bytes]:
    edges = [0, *sorted({cut % (len(wire) + 1) for cut in cuts}), len(wire)]
    return [wire[start:end] for start, end in itertools.pairwise(edges)]


@st.composite
def conversations(draw: st.DrawFn) -> tuple[bytes, list[Message]]:
    """What a server may send, and what it means: controls also stand amid fragments."""
    wire, meant = b"", []
    for _ in range(draw(st.integers(1, 5))):
        kind, payload = draw(st.one_of(CONTROLS, WHOLE))
        if kind in (PING, PONG):
            wire += served(kind, payload)
            meant.append((kind, payload))
            continue
        cut = sorted(draw(st.lists(st.integers(0, len(payload)), max_size=3)))
        edges = [0, *cut, len(payload)]
        parts = [payload[start:end] for start, end in itertools.pairwise(edges)]
        for index, part in enumerate(parts):
            wire += served(0 if index else kind, part, final=index == len(parts) - 1)
            if index < len(parts) - 1 and draw(st.booleans()):
                control, said = draw(CONTROLS)
                wire += served(control, said)
                meant.append((control, said))
        meant.append((kind, payload))
    return wire, meant


def fed(frames: Frames, piece: bytes) -> list[Message]:
    """What a piece completes."""
    frames.feed(piece)
    return heard(frames)


def taken(frames: Frames, piece: bytes) -> list[Message]:
    """The same, by the short way where that can be gone."""
    text = frames.only(piece)
    return heard(frames) if text is None else [(TEXT, text)]


@given(conversations(), st.lists(st.integers(0, 1 << 20), max_size=6))
@settings(max_examples=100)
def test_messages_are_the_same_however_their_bytes_are_split(
    said: tuple[bytes, list[Message]], cuts: list[int]
) -> None:
    wire, meant = said
    for take in (fed, taken):
        frames, found = Frames(LIMIT), []
        for piece in in_pieces(wire, cuts):
            found += take(frames, piece)
        assert found == meant
        assert all(type(payload) is bytes for _, payload in found)


def test_messages_are_the_same_byte_by_byte() -> None:
    wire = served(TEXT, b"x" * 200) + served(TEXT, b"he", final=False) + served(PING, b"p")
    wire += served(0, b"llo") + served(CLOSE, b"\x03\xe8bye")
    frames, found = Frames(LIMIT), []
    for byte in wire:
        frames.feed(bytes((byte,)))
        found += heard(frames)
    assert found == [
        (TEXT, b"x" * 200),
        (PING, b"p"),
        (TEXT, b"hello"),
        (CLOSE, b"\x03\xe8bye"),
    ]


@given(st.lists(st.binary(max_size=40), max_size=6))
@settings(max_examples=150)
def test_any_bytes_give_messages_or_one_refusal_and_no_more_than_was_fed(
    pieces: list[bytes],
) -> None:
    ends = []
    for take in (fed, taken):
        frames, had, found = Frames(30), 0, []
        try:
            for piece in pieces:
                had += len(piece)
                found += take(frames, piece)
                assert sum(len(payload) for _, payload in found) <= had
        except BadFrame as bad:
            ends.append((found, type(bad)))
        else:
            ends.append((found, BadFrame))
    assert ends[0] == ends[1]


@pytest.mark.parametrize("length", [0, 3, 125, 126, 127, 200, 999, 1000])
def test_a_text_that_comes_alone_is_had_at_once(length: int) -> None:
    frames, text = Frames(1000), b"x" * length
    for _ in range(3):
        if length > 1:
            assert frames.only(served(TEXT, text)) == text
        else:
            assert taken(frames, served(TEXT, text)) == [(TEXT, text)]
    assert frames.only(served(PING, text[:100])) is None
    assert heard(frames) == [(PING, text[:100])]


def test_a_text_does_not_come_alone_amid_another_message() -> None:
    frames, whole = Frames(1000), served(TEXT, b"whole")
    assert frames.only(served(TEXT, b"part", final=False)) is None
    assert heard(frames) == []
    assert frames.only(whole) is None
    with pytest.raises(OutOfOrder):
        heard(frames)
    frames = Frames(1000)
    frames.feed(whole[:3])
    assert frames.only(whole) is None


@pytest.mark.parametrize(
    ("wire", "why"),
    [
        (bytes((0x81, 0x80, 1, 2, 3, 4)), Masked),
        (bytes((0x81, 0xFE, 1, 2)), Masked),
        (bytes((0xC1, 0)), Unagreed),
        (bytes((0x91, 0)), Unagreed),
        (bytes((0x83, 0)), UnknownKind),
        (bytes((0x8F, 0)), UnknownKind),
        (bytes((0x09, 0)), BadControl),
        (served(PING, b"x" * 126), BadControl),
        (served(0, b"x"), OutOfOrder),
        (served(TEXT, b"x", final=False) + served(TEXT, b"y"), OutOfOrder),
        (served(TEXT, b"x" * 101), TooLong),
        (served(TEXT, b"x" * 60, final=False) + served(0, b"x" * 41), TooLong),
        (bytes((0x82, 127)) + (1 << 63).to_bytes(8, "big"), TooLong),
    ],
)
def test_what_breaks_the_protocol_is_refused(wire: bytes, why: type[BadFrame]) -> None:
    for take in (fed, taken):
        frames = Frames(100)
        with pytest.raises(why):
            take(frames, wire)


def test_a_message_that_is_too_long_is_refused_by_its_head_alone() -> None:
    frames = Frames(100)
    frames.feed(served(BINARY, b"x" * 5000)[:4])
    with pytest.raises(TooLong) as caught:
        heard(frames)
    assert caught.value.code == 1009


@given(st.binary(max_size=200), st.binary(min_size=4, max_size=4))
@settings(max_examples=60)
def test_what_is_sent_is_what_a_server_unmasks(payload: bytes, mask: bytes) -> None:
    sent = frame(TEXT, payload, mask)
    start = 2 if len(payload) < 126 else 4
    assert sent[0] == 0x81
    assert sent[1] & 0x80
    assert sent[start : start + 4] == mask
    assert unmask(sent[start + 4 :], mask) == payload


def test_a_farewell_is_read() -> None:
    assert farewell(b"") == Farewell(1005, "")
    assert farewell(b"\x03\xe9so long") == Farewell(1001, "so long")
    with pytest.raises(BadControl):
        farewell(b"\x03")


def test_only_a_websocket_as_asked_for_is_agreed_to() -> None:
    key = key_of(bytes(16))
    good = {
        "upgrade": "WebSocket",
        "connection": "keep-alive, Upgrade",
        "sec-websocket-accept": accept_key(key).decode(),
    }
    assert is_agreed(key, good)
    assert not is_agreed(key_of(b"x" * 16), good)
    for name, said in [
        ("upgrade", "h2c"),
        ("connection", "close"),
        ("sec-websocket-accept", ""),
        ("sec-websocket-extensions", "permessage-deflate"),
        ("sec-websocket-protocol", "chat"),
    ]:
        assert not is_agreed(key, good | {name: said})
