"""What single lines of a printer mean where it is easy to take one for another."""

from __future__ import annotations

import pytest

from buildplate.protocols.marlin import CardState, Started
from buildplate.protocols.marlin.replies import read_reply


@pytest.mark.parametrize(
    "line", [b"start", b"\xfe\x80\x00\xf8start", b"\xff?\xffstart", b"Smoothie"]
)
def test_a_board_that_has_started_is_heard_through_noise(line: bytes) -> None:
    (reply,) = read_reply(line)
    assert isinstance(reply, Started)


@pytest.mark.parametrize(
    "line",
    [b"Print start", b"print-start", b"// start", b"echo:start", b"layer 1: start", b"1 start",
     b"restart", b"starting", b"start now", b"Layer1:start"],
)  # fmt: skip
def test_a_text_that_ends_with_start_is_no_reset(line: bytes) -> None:
    assert not any(isinstance(reply, Started) for reply in read_reply(line))


@pytest.mark.parametrize(
    "line", [b"Not SD printing", b"SD printing byte 0/0", b"Not currently playing"]
)
def test_a_card_that_is_idle(line: bytes) -> None:
    (reply,) = read_reply(line)
    assert isinstance(reply, CardState)
    assert reply.printing is False
