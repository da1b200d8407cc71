"""Plain answers counted in a chunk of bytes mean what the same answers mean read line by line."""

from __future__ import annotations

import random
from typing import Any

import pytest

from buildplate.protocols.marlin import Conversation, Sender, SendLimits, block_of, conversation
from buildplate.protocols.marlin.framing import numbered, numbered_all
from buildplate.protocols.marlin.plain import Answers, plain_answers
from tests.faults.fuzz_marlin import Fuzz
from tests.unit.protocols.bad_wire import BadWire, PlainFirmware

STEPS = 400
KINDS = ("advanced", "numbered", "bare", "two bytes")


def shown(one: Conversation) -> dict[str, Any]:
    """Everything about a conversation that anybody can see or that decides what it does next."""
    sender = one.sender
    names = ("accepted", "line", "unanswered", "idle", "hungry", "window", "resends", "nudges")
    inner = ("strays", "_heard", "_patience", "_cautious", "_ceiling", "_learned", "_clean")
    return {name: getattr(sender, name) for name in (*names, *inner)} | {
        "oks": one.oks,
        "due": one.due(),
        "dialect": one.dialect,
    }


def test_a_chunk_of_plain_answers_is_told_from_all_else() -> None:
    assert plain_answers(b"ok N12 P15 B3\n") == Answers(1, 12, 3)
    assert plain_answers(b"ok N12 P15 B3\nok N13 P9 B4\n") == Answers(2, 12, 4)
    assert plain_answers(b"ok 12\n") == Answers(1, 12)
    assert plain_answers(b"ok\n" * 3) == plain_answers(b"ok\n\n" * 3) == Answers(3)
    for other in (
        *(b"", b"\n", b"ok", b"okay\n", b"ok T:20\n", b"ok N12\n", b"xok\n", b"ok\nResend: 3\n"),
        *(b"ok N12 P15 B3\nok N14 P15 B3\n", b"ok N12 P15 B3\nok N11 P15 B3\n", b"ok 1\nok\n"),
        *(b"ok N12 P15 B3\nstart\n", b"start\nok N12 P15 B3\n", b"ok N12 P15 B3\nok\n"),
        *(b"ok N12345678901 P1 B1\n", b"ok N12 P15 B3\n\xff\n", b"ok N-1 P15 B3\n"),
    ):
        assert plain_answers(other) is None, other


def test_many_lines_are_numbered_as_each_alone_would_be() -> None:
    dice = random.Random(4)
    for longest in (10, 57, 60, 90, 120, 400):
        codes = [dice.randbytes(dice.randrange(longest)) for _ in range(130)]
        for first in (1, 99_990):
            expected = [numbered(number, code) for number, code in enumerate(codes, first)]
            assert numbered_all(first, codes) == expected
    assert numbered_all(5, []) == []


@pytest.mark.parametrize("kind", KINDS)
def test_counting_and_reading_agree_however_the_bytes_are_split(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[bool] = []
    exchanged: list[bool] = []
    real = Sender.took_all

    def counting(self: Sender, answers: Answers, now: float) -> bool:
        counted.append(real(self, answers, now))
        return counted[-1]

    monkeypatch.setattr(Sender, "took_all", counting)
    for seed in range(5):
        exchanged += _both(f"{kind} {seed}", kind, monkeypatch)
    assert counted.count(True) > 60, "nothing was counted at all"
    assert exchanged.count(True) > 20 or kind == "two bytes"
    assert counted.count(False) > 20, "nothing was left to be read line by line"


def _unasked(dice: random.Random, firmware: PlainFirmware) -> bytes:
    """Answers to no line, or to another one than the oldest."""
    number = firmware.last + dice.randrange(-3, 6)
    forms = [b"ok N%d P15 B3\n" % max(0, number), b"ok %d\n" % max(0, number), b"ok\n"]
    return forms[KINDS.index(firmware_kind(firmware))] * dice.choice([1, 1, 2, 9])


def firmware_kind(firmware: PlainFirmware) -> str:
    """The form of its answers."""
    if firmware.advanced:
        return "advanced"
    return "numbered" if firmware.numbered_oks else "bare"


def _both(seed: str, kind: str, patch: pytest.MonkeyPatch) -> list[bool]:
    """Hold one conversation twice; whether each step was an exchange."""
    dice, noise = random.Random(seed), Fuzz(sum(seed.encode()))
    limits = SendLimits(dice.choice([None, 4, 16]), receive_bytes=dice.choice([127, 1000]))
    counts, reads = Conversation(limits), Conversation(limits)
    firmware = PlainFirmware(
        advanced=kind == "advanced", numbered_oks=kind == "numbered", queue=dice.choice([4, 16])
    )
    wire = BadWire(dice, dice.choice([0.0, 0.0, 0.001]))
    counts.begin()
    reads.begin()
    exchanged: list[bool] = []
    now, left, codes = 0.0, b"", [b"G1 X%d E%d" % (n, n * n) for n in range(90)]
    for step in range(STEPS):
        now += dice.choice([0.0, 0.001, 0.06, 0.7])
        ordered, fed = dice.random() < 0.03, counts.sender.hungry
        for one in (counts, reads):
            one.sender.flowing = step % 150 < 130
            if fed:
                one.sender.feed(block_of(codes, step + 1))
            if ordered:
                one.sender.command(b"M114", step)
        sent = b""
        if step % 40 < 32:  # else all is answered soon, and then more than was asked
            sent = counts.to_send(now)
            assert reads.to_send(now) == sent
        said = firmware.hear(wire.carry(sent)) if sent else b""
        if dice.random() < 0.15:
            said += _unasked(dice, firmware)
        if kind == "two bytes":
            said = said.replace(b"\n", b"\r\n")
        if dice.random() < 0.02:
            said = noise.spoilt() + said
        left += said
        first = left.find(b"\n") + 1
        cut = dice.choice([len(left), first, first, dice.randrange(len(left) + 1)])
        data, left = left[:cut], left[cut:]
        at_once = counts.exchange(data, now) if dice.random() < 0.8 else None
        exchanged.append(at_once is not None)
        events = [] if at_once is not None else counts.receive(data, now)
        with patch.context() as without:
            without.setattr(conversation, "plain_answers", lambda _: None)
            assert reads.receive(data, now) == events, (seed, step, data)
        if at_once is not None:
            assert reads.to_send(now) == at_once, (seed, step, data)
            said = firmware.hear(wire.carry(at_once)) if at_once else b""
            left += said.replace(b"\n", b"\r\n") if kind == "two bytes" else said
        assert shown(counts) == shown(reads), (seed, step, data)
        counts.tick(now)
        reads.tick(now)
    return exchanged
