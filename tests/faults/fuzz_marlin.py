"""Random bytes and spoilt transcripts into the serial codec: nothing raises, nothing grows.

`python -m tests.faults.fuzz_marlin --seconds 600 [--seed N]`
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path
from time import process_time

from buildplate.protocols.marlin import Conversation, SendLimits, block_of
from buildplate.protocols.marlin.framing import LONGEST_ANSWER
from buildplate.protocols.marlin.sender import KEPT

TRANSCRIPTS = Path(__file__).parents[1] / "unit" / "protocols" / "transcripts"
PIECES = (
    *(b"ok", b"ok N", b"ok N12 P15 B3", b"Resend:", b"rs N", b"echo:busy", b"wait", b"T:", b" /"),
    *(b"X:", b"Count", b"//action:", b"Error:", b"!!", b"start", b"FIRMWARE_NAME:", b"Cap:"),
    *(b"skip ", b"\r", b"\n", b"N", b"-", b".", b"999999999999", b"\xff", b"\x00", b"\xc3"),
    *(b"\xe2\x82\xac", b"inf", b"nan", b"@"),
)
MOST_PENDING = 4 * KEPT + 2000


def known_lines() -> list[bytes]:
    """Everything that the golden transcripts have a printer say."""
    return [
        line[2:]
        for path in sorted(TRANSCRIPTS.glob("*.txt"))
        for line in path.read_bytes().splitlines()
        if line.startswith(b"<")
    ]


class Fuzz:
    """One endless, spoilt conversation."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.known = known_lines()
        self.bytes = self.events = 0
        self.now = 0.0
        self._anew()

    def _anew(self) -> None:
        window = self.dice.choice([None, None, 1, 4, 64])
        self.conversation = Conversation(SendLimits(window))
        if self.dice.random() < 0.9:
            self.conversation.begin()

    def spoilt(self) -> bytes:
        """Some bytes that a printer might never send."""
        dice = self.dice
        kind = dice.randrange(4)
        if kind == 0:
            return dice.randbytes(dice.randrange(1, 300))
        if kind == 1:
            return b"".join(dice.choice(PIECES) for _ in range(dice.randrange(1, 30)))
        line = bytearray(dice.choice(self.known) + dice.choice([b"\n", b"\r\n", b""]))
        for _ in range(dice.randrange(3) if kind == 2 else 0):
            at = dice.randrange(len(line) + 1)
            line[at : at + dice.randrange(4)] = dice.choice([b"", dice.randbytes(2), b"9", b"\n"])
        return bytes(line)

    def step(self) -> None:
        """One turn of whoever holds the port; every call may only return."""
        dice, conversation = self.dice, self.conversation
        self.now += dice.choice([0.0, 0.001, 0.1, 3.0])
        sender = conversation.sender
        if sender.hungry and conversation.begun:
            sender.feed(block_of([self.spoilt() for _ in range(dice.randrange(8))], 1))
            sender.flowing = dice.random() < 0.9
        if dice.random() < 0.02 and len(sender._commands) < 50:
            sender.command(b"M105", dice.choice([None, object()]))
        sent = conversation.to_send(self.now)
        data = self.spoilt()
        if dice.random() < 0.6:
            data = b"ok\n" * sent.count(b"\n")
        self.bytes += len(data)
        events = conversation.receive(data, self.now)
        self.events += len(events)
        assert len(events) <= 4 * len(data) + 8
        due = conversation.due()
        assert due is None or due == due  # noqa: PLR0124 (no NaN)
        conversation.tick(self.now)
        self.bounded()
        if dice.random() < 0.001:
            self._anew()

    def bounded(self) -> None:
        """Nothing is kept that grows with what was said."""
        sender = self.conversation.sender
        assert len(sender._log) <= MOST_PENDING
        assert len(sender._tokens) <= MOST_PENDING
        assert len(self.conversation._lines._rest) <= LONGEST_ANSWER
        assert 0 <= sender._acked <= sender._at <= sender._top <= len(sender._log)
        assert len(sender._log.ends) == len(sender._log) + 1
        assert not sender.events


def fuzz(seed: int, seconds: float) -> Fuzz:
    """Fuzz for so many seconds of CPU; the seed repeats what was found."""
    one, end = Fuzz(seed), process_time() + seconds
    while process_time() < end:
        for _ in range(200):
            one.step()
    return one


def main() -> None:
    """Fuzz as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    asked = parser.parse_args()
    print(f"seed {asked.seed}", flush=True)
    done = fuzz(asked.seed, asked.seconds)
    print(f"{done.bytes} bytes, {done.events} events: nothing raised, nothing grew")


if __name__ == "__main__":
    main()
