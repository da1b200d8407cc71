"""The conformance suite's relay finds a driver's requests on a websocket, however they are cut."""

from __future__ import annotations

import secrets

from hypothesis import given, settings
from hypothesis import strategies as st

from buildplate.drivers.sdk.conformance.frames import Plain

OPENING = b"GET /websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n"


def frame(payload: bytes) -> bytes:
    key, size = secrets.token_bytes(4), len(payload)
    if size < 126:
        head = bytes([0x81, 0x80 | size])
    elif size < 1 << 16:
        head = bytes([0x81, 0x80 | 126]) + size.to_bytes(2)
    else:
        head = bytes([0x81, 0x80 | 127]) + size.to_bytes(8)
    return head + key + bytes(byte ^ key[place % 4] for place, byte in enumerate(payload))


@given(st.lists(st.binary(max_size=300), max_size=4), st.integers(1, 50))
@settings(max_examples=50)
def test_what_was_said_is_read_from_any_pieces(said: list[bytes], piece: int) -> None:
    wire = b"".join(frame(one) for one in said)
    plain = Plain()
    plain.read(OPENING)
    got = b"".join(plain.read(wire[at : at + piece]) for at in range(0, len(wire), piece))
    assert got == b"".join(said)
    assert plain.opening == OPENING


def test_a_long_frame_is_read() -> None:
    plain = Plain()
    assert plain.read(OPENING + frame(b"y" * 70_000)) == b"y" * 70_000


def test_a_plain_request_is_read_as_it_is() -> None:
    plain = Plain()
    request = b"POST /upload HTTP/1.1\r\n\r\n"
    assert plain.read(request) == request
    assert plain.read(b"body") == b"body"
    assert not plain.is_websocket
