"""A board that was reset is known by what it says behind its `start`, a text by what follows it."""

from __future__ import annotations

import pytest

from buildplate.protocols.marlin import Conversation, OutOfStep, SendLimits, Started, block_of
from buildplate.protocols.marlin.restarts import DOUBTED_OKS, HELD_S
from buildplate.protocols.marlin.sender import FORGETFUL, MOST_WILD, RESET
from tests.unit.protocols.bad_wire import PlainFirmware

BANNERS = {
    "marlin1": b"start\nPowerUp\nMarlin 1.1.9\n",
    "marlin1, echoed": b"start\n External Reset\necho:Marlin 1.1.9\n",
    "marlin2": b"start\nMarlin 2.1.2.1\n",
    "prusa": b"start\necho: 3.13.3-7094\necho: Last Updated: Feb  9 2024\n",
    "repetier": b"start\r\nInfo:Brown out Reset\r\nFree RAM:92960\r\n",
    "repetier, mute": b"start\r\nFree RAM:92960\r\n",
    "noise before it": b"\xfe\x80start\nMarlin 2.1.2.1\n",
}
REFUSALS = {
    "marlin": b"Error:Line Number is not Last Line Number+1, Last Line: 0\nResend: 1\nok\n",
    "repetier": b"Error:expected line 1 got 9\r\nResend:1\r\nok\r\n",
}


def talking(lines: int = 20) -> tuple[Conversation, PlainFirmware]:
    """A conversation in which so many lines were taken, with more of them to send."""
    conversation, firmware = Conversation(SendLimits()), PlainFirmware(advanced=False)
    conversation.begin()
    conversation.sender.feed(block_of([b"G1 X%d" % n for n in range(400)], 1))
    conversation.sender.flowing = True
    while conversation.sender.accepted < lines:
        conversation.receive(firmware.hear(conversation.to_send(0.0)), 0.0)
    return conversation, firmware


def resets(conversation: Conversation, said: bytes, now: float = 0.0) -> int:
    return sum(isinstance(event, Started) for event in conversation.receive(said, now))


@pytest.mark.parametrize("banner", BANNERS.values(), ids=BANNERS)
def test_a_board_that_tells_what_it_is_was_reset(banner: bytes) -> None:
    conversation, _ = talking()
    assert resets(conversation, banner) == 1


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)
@pytest.mark.parametrize("lines", [2, 5, 20])
@pytest.mark.parametrize("unasked", [b"", b"ok\n"])
def test_a_board_that_asks_for_its_first_line_was_reset(
    refusal: bytes, lines: int, unasked: bytes
) -> None:
    conversation, _ = talking(lines)
    assert resets(conversation, b"start\n" + unasked) == 0
    assert resets(conversation, refusal, HELD_S) == 1


def test_a_text_of_the_files_is_none_and_costs_no_line() -> None:
    conversation, firmware = talking()
    assert resets(conversation, b"start\nok\nMarlin is a fish\nFIRMWARE_NAME:none\n") == 0
    said = firmware.hear(conversation.to_send(0.0))
    for _ in range(40):
        assert resets(conversation, said) == 0
        said = firmware.hear(conversation.to_send(0.0))
    wanted = [b"G1 X%d" % n for n in range(len(firmware.accepted))]
    assert firmware.accepted == wanted
    assert len(wanted) > 50


def test_a_text_behind_the_answer_of_its_line_holds_the_stream_for_a_moment_only() -> None:
    """Repetier answers a line before it carries it out."""
    conversation, _ = talking()
    assert resets(conversation, b"start\n") == 0
    assert conversation.to_send(HELD_S / 2) == b""
    assert conversation.to_send(HELD_S)
    assert resets(conversation, b"ok\n" * 2, HELD_S) == 0


def test_long_after_the_word_a_refused_line_is_no_reset() -> None:
    conversation, firmware = talking()
    conversation.receive(b"start\nok\n", 0.0)
    for _ in range(DOUBTED_OKS + 1):
        conversation.receive(firmware.hear(conversation.to_send(1.0)), 1.0)
    assert resets(conversation, b"Resend: 1\nok\n") == 0


@pytest.mark.parametrize("said", [b"Resend: 1\nok\n", b"Resend:1\r\nok\r\n", b"rs N0\n"])
@pytest.mark.parametrize("lines", range(1, FORGETFUL + 2))
def test_a_board_whose_start_was_lost_gets_none_of_the_lines_again_that_it_had_taken(
    said: bytes, lines: int
) -> None:
    """What it had taken was answered, and nothing was refused: no request for it is a resend."""
    conversation, _ = talking(lines)
    reported, sent = [], b""
    for at in range(1, MOST_WILD + 2):
        sent += conversation.to_send(float(at))
        reported += conversation.receive(said, at + 0.5)
    assert [event.why for event in reported if isinstance(event, OutOfStep)] == [RESET]
    assert not [line for line in sent.split(b"\n") if b"X0*" in line]
    assert conversation.sender.accepted == lines


@pytest.mark.parametrize("lines", range(3, FORGETFUL + 2))
def test_a_board_that_was_reset_soon_after_it_had_refused_its_first_line_gets_none_again(
    lines: int,
) -> None:
    conversation, firmware = Conversation(SendLimits()), PlainFirmware(advanced=False)
    conversation.begin()
    conversation.sender.feed(block_of([b"G1 X%d" % n for n in range(400)], 1))
    conversation.sender.flowing = True
    now, refused = 0.0, False
    while conversation.sender.accepted < lines:
        now += 0.1
        sent = conversation.to_send(now)
        if not refused and sent.startswith(b"N1 "):
            sent, refused = sent.replace(b"*", b"+"), True
        conversation.receive(firmware.hear(sent), now)
    reported: list[str] = []
    sent = b""
    for _ in range(MOST_WILD + 1):
        if not reported:
            now += 1.0
            sent += conversation.to_send(now)
            events = conversation.receive(REFUSALS["marlin"], now)
            reported += [event.why for event in events if isinstance(event, OutOfStep)]
    assert refused
    assert reported == [RESET]
    assert not [line for line in sent.split(b"\n") if b"X0*" in line]


def test_a_first_line_that_was_refused_before_may_be_asked_for_again() -> None:
    """Bare answers behind refusals may have been counted for lines that were never taken."""
    conversation = Conversation(SendLimits())
    conversation.begin()
    conversation.sender.feed(block_of([b"G1 X%d" % n for n in range(9)], 1))
    conversation.sender.flowing = True
    conversation.to_send(0.0)
    conversation.receive(b"ok\n", 0.0)
    first = conversation.to_send(0.0)
    conversation.receive(b"Resend: 1\nok\n", 0.1)
    assert conversation.to_send(0.2) == b"\n" + first
    conversation.receive(b"ok\n", 0.2)  # the late answer to what was refused
    conversation.to_send(0.2)
    conversation.receive(b"Resend: 1\nok\n", 0.3)
    assert conversation.to_send(0.4) == b"\n" + first
    assert conversation.sender.accepted == 0
