"""A print at its steadiest: lines go out, answers come in, and nothing else is done.

A board that prints wakes its thread hundreds of times a second, and each time with caches that
others have filled: what is not run costs nothing, and what has to be done besides is done after the
lines are out, while the board is at work on them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from time import monotonic

from buildplate.drivers.marlin.hearing import Facts
from buildplate.drivers.marlin.port import Port
from buildplate.drivers.marlin.printing import Printing
from buildplate.protocols.marlin import Conversation, Event


@dataclass(frozen=True, slots=True)
class Steady:
    """What it is done with. `jobs` are what it is asked to do besides, `take` is told of events."""

    port: Port
    conversation: Conversation
    facts: Facts
    jobs: Collection[object]
    take: Callable[[Event, float], None]

    def stream(self, printing: Printing, until: float) -> None:
        """Stream until something else is to be done: at `until` (monotonic s) at the latest.

        Whoever asks the thread for something wakes the port, which then ends a wait for nothing.
        """
        port, facts, exchange = self.port, self.facts, self.conversation.exchange
        sender, jobs = self.conversation.sender, self.jobs
        read, write, note = port.read, port.write, printing.note
        now = monotonic()
        out: bytes | None = self.conversation.to_send(now)
        if out:
            write(out)
        while not jobs and now < until and not sender.hungry:
            got = read(until - now)
            if not got:
                return
            now = monotonic()
            out = exchange(got, now)
            if out is None:
                out = self._heard(got, printing, now)
                if out is None:
                    return
            if out:
                write(out)
            facts.heard_at = now
            note()

    def _heard(self, got: bytes, printing: Printing, now: float) -> bytes | None:
        """Take what is more than plain answers; what to send now, or None: it is not steady."""
        self.facts.heard_at = now
        events = self.conversation.receive(got, now)
        for event in events:
            self.take(event, now)
        if events or not printing.steady:
            return None
        return self.conversation.to_send(now)
