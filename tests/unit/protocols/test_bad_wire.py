"""Whatever a wire does, a firmware accepts exactly the file's lines, once each and in order."""

from __future__ import annotations

import random

import pytest

from buildplate.protocols.marlin import (
    Answered,
    Conversation,
    OutOfStep,
    Position,
    SendLimits,
    block_of,
)
from tests.unit.protocols.bad_wire import BadWire, PlainFirmware

TICK_S = 0.01
LONGEST_S = 30.0
"""Some three times what the worst of these wires takes: a stall at each line takes far longer."""


def a_file(dice: random.Random, lines: int) -> list[bytes]:
    moves = (
        b"G1 X%.3f Y%.3f E%.5f" % (dice.random() * 200, dice.random() * 200, dice.random())
        for _ in range(lines)
    )
    return [move if dice.random() < 0.9 else b"; a comment" for move in moves]


def streamed(
    firmware: PlainFirmware, wire: BadWire, lines: list[bytes], limits: SendLimits | None = None
) -> Conversation:
    """Stream the lines and M114 over the wire until that is answered."""
    conversation = Conversation(limits or SendLimits(patience_s=0.5))
    conversation.begin()
    sender = conversation.sender
    sender.flowing = True
    at, now, located, asked = 0, 0.0, False, False
    while now < LONGEST_S:
        now += TICK_S
        if sender.hungry and at < len(lines):
            sender.feed(block_of(lines[at : at + 64], at + 1))
            at += 64
        elif sender.hungry and not asked and sender.unanswered == 0 and at >= len(lines):
            sender.command(b"M114", "end")
            asked = True
        sent = conversation.to_send(now)
        answers = firmware.hear(wire.carry(sent)) if sent else b""
        for event in conversation.receive(wire.carry(answers), now):
            located = located or isinstance(event, Position)
            assert not isinstance(event, OutOfStep), event
            if isinstance(event, Answered):
                if located:
                    return conversation
                asked = False  # the position was lost, or comes behind a resend: ask again
        conversation.tick(now)
    message = f"hangs at line {sender.line} of {len(lines)}"
    raise AssertionError(message)


class OneOkLost(PlainFirmware):
    """Answers with plain oks, one of which never arrives."""

    def hear(self, data: bytes) -> bytes:
        before = len(self.accepted)
        said = super().hear(data)
        return b"" if before < LOST_AT <= len(self.accepted) else said


LOST_AT = 50


def test_one_lost_ok_costs_one_wait_and_not_one_at_each_line() -> None:
    firmware = OneOkLost(advanced=False)
    lines = [b"G1 X%d" % n for n in range(150)]
    conversation = Conversation(SendLimits(patience_s=0.5))
    conversation.begin()
    sender = conversation.sender
    sender.flowing = True
    sender.feed(block_of(lines, 1))
    now = 0.0
    while sender.accepted < len(lines) and now < LONGEST_S:
        now += TICK_S
        sent = conversation.to_send(now)
        conversation.receive(firmware.hear(sent) if sent else b"", now)
        conversation.tick(now)
    assert [code for code in firmware.accepted if code != b"M110"] == lines
    assert sender.nudges == 1
    assert now < len(lines) * TICK_S + 2 * 0.5


def answers_one_by_one(said: bytes) -> list[bytes]:
    """Each `ok` by itself, with what stands before it."""
    return [one + b"ok\n" for one in said.split(b"ok\n")[:-1]]


@pytest.mark.parametrize(("too_many", "told"), [(1, False), (1, True), (2, True)])
@pytest.mark.parametrize("at", range(1, 16))
def test_answers_to_something_else_and_a_spoilt_line_end_no_print(
    at: int, too_many: int, told: bool
) -> None:
    """M108 goes out beside the lines, and many a board answers it: the count is too high then.

    `told`: whether the sender knows of what may be answered. Not more than one may come untold.
    """
    firmware = PlainFirmware(advanced=False)
    lines = [b"G1 X%d" % n for n in range(60)]
    conversation = Conversation(SendLimits(patience_s=0.5))
    conversation.begin()
    sender = conversation.sender
    sender.flowing = True
    sender.feed(block_of(lines, 1))
    on_its_way: list[bytes] = []
    now, spoilt = 0.0, False
    while len(firmware.accepted) < len(lines) and now < LONGEST_S:
        now += TICK_S
        sent = conversation.to_send(now)
        if not spoilt and b"N%d G1" % (at + 4) in sent:
            sent, spoilt = sent.replace(b"*", b"+"), True
        before = len(firmware.accepted)
        on_its_way += answers_one_by_one(firmware.hear(sent))
        if before < at <= len(firmware.accepted):
            on_its_way = [b"ok\n"] * too_many + on_its_way
            for _ in range(too_many if told else 0):
                sender.unnumbered()
        if on_its_way:
            events = conversation.receive(on_its_way.pop(0), now)
            assert not [event for event in events if isinstance(event, OutOfStep)]
        conversation.tick(now)
    assert spoilt
    assert firmware.accepted == lines


def codes(lines: list[bytes]) -> list[bytes]:
    return [line for line in lines if not line.startswith(b";")]


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("answers", ["advanced", "numbered", "plain"])
def test_every_accepted_line_is_the_files(seed: int, answers: str) -> None:
    dice = random.Random(f"{seed} {answers}")
    lines = a_file(dice, 400)
    firmware = PlainFirmware(advanced=answers == "advanced", numbered_oks=answers == "numbered")
    wire = BadWire(dice, dice.choice([0.0, 0.0005, 0.002]))
    conversation = streamed(firmware, wire, lines)
    accepted = [code for code in firmware.accepted if code != b"M114"]
    assert accepted == codes(lines)
    assert conversation.sender.accepted == len(accepted)
    assert conversation.sender.line == max(
        number for number, line in enumerate(lines, 1) if not line.startswith(b";")
    )


def test_a_clean_wire_needs_no_second_line() -> None:
    firmware = PlainFirmware()
    conversation = streamed(firmware, BadWire(random.Random(1), 0.0), a_file(random.Random(1), 400))
    assert firmware.asked == conversation.sender.resends == conversation.sender.nudges == 0
    assert conversation.sender.window == 4


def test_a_spoilt_wire_is_really_spoilt() -> None:
    firmware = PlainFirmware()
    streamed(firmware, BadWire(random.Random(2), 0.002), a_file(random.Random(2), 400))
    assert firmware.asked > 5
