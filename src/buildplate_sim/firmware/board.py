"""A printer's control board: takes lines in, carries them out one by one, and answers."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from buildplate_sim.firmware.commands import Commands
from buildplate_sim.firmware.dialect import Line, Refusal
from buildplate_sim.firmware.machine import Machine
from buildplate_sim.firmware.planner import Limits
from buildplate_sim.firmware.words import Words, words_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildplate_sim.firmware.dialect import Dialect
    from buildplate_sim.firmware.record import Accepted
    from buildplate_sim.journal import Journal
    from buildplate_sim.pulse import Pulse, Timer

_URGENT = re.compile(rb"(?:^|[\r\n])[ ]*(?:N\d+[ ]*)?M(108|112|410|876)\b([^\r\n]*)(?=[\r\n])")
_END = re.compile(rb"[\r\n]")
TAIL = 96
"""Bytes of a line not yet ended that the emergency parser looks at again."""

Steps = Generator[float, None, "str | None"]


@dataclass(frozen=True, slots=True)
class Sizes:
    """Buffers of a board; `rx` bytes (0: flow control, nothing is ever lost), `queue` commands.

    `planner` 0: moves take no time at all.
    """

    rx: int
    queue: int
    planner: int


@dataclass(frozen=True, slots=True)
class Parts:
    """What a board is put together from."""

    dialect: Dialect
    sizes: Sizes
    pulse: Pulse
    journal: Journal
    accepted: Accepted
    limits: Limits


class Board:
    """The firmware as it runs: `received` bytes lead to `say`. Times are simulated seconds."""

    def __init__(self, parts: Parts, say: Callable[[bytes], None]) -> None:
        self.dialect = parts.dialect
        self.sizes = parts.sizes
        self.pulse = parts.pulse
        self.accepted = parts.accepted
        self.machine = Machine(parts)
        self.state = "off"
        self.overruns = 0
        self.refused = 0
        self.errors: list[str] = []
        self.deaf_until = 0.0
        self.refuse_next = 0
        self.on_turn: Callable[[], None] | None = None
        self.urgent: set[str] = set()
        self._say = say
        self._rx = bytearray()
        self._tail = b""
        self._queue: deque[Line] = deque()
        self._last = 0
        self._steps: Steps | None = None
        self._running: Words | None = None
        self._timers: dict[str, Timer] = {}
        self._commands = Commands(self)
        self.machine.heat.on_heat = self._begin_watch
        self.busy_reason = "processing"
        self.boots = 0
        self.tripped = False
        self._answered = False
        self._last_command = 0.0

    # --- power

    def boot(self, cause: str = "power") -> None:
        """Start anew: whatever was waiting is forgotten, the bootloader takes its time."""
        self._forget()
        self.boots += 1
        self.state = "booting"
        self.accepted.remark(f"boot {self.boots} {cause}")
        self._after("boot", self.dialect.boot_s, lambda: self._booted(cause))

    def _booted(self, cause: str) -> None:
        self.state = "running"
        self._rx.clear()
        self._tail = b""
        self.lines(*self.dialect.banner(cause))
        self._idle()
        self._watch()

    def cut_power(self, why: str) -> None:
        """No power: nothing moves, nothing heats, nothing answers."""
        self._forget()
        self.state = "off"
        self.accepted.remark(why)

    def kill(self, why: str = "") -> None:
        """Stop for good: most boards need a reset, some take M999, some start anew at once."""
        if self.state != "running" or self.halted:
            return
        self._forget(why="killed")
        self.state = "killed"
        self.accepted.remark("killed")
        self.lines(*self.dialect.killed(why))
        if self.dialect.kill_halts:
            self.state, self.tripped = "running", True
        elif self.dialect.kill_resets:
            self.boot("watchdog")

    def _forget(self, why: str = "reset") -> None:
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._queue.clear()
        self._rx.clear()
        self._tail = b""
        self._last = self.dialect.first_number
        self._steps = self._running = None
        self.tripped = False
        self.urgent.clear()
        self.deaf_until = 0.0
        self.busy_reason = "processing"
        self.machine.off(why)

    @property
    def halted(self) -> bool:
        """Whether it listens and refuses, until M999."""
        return self.tripped and self.dialect.kill_halts

    # --- bytes

    def received(self, data: bytes) -> None:
        """Bytes have come in over the wire."""
        if self.state != "running":
            return
        if self.dialect.emergency_parser:
            self._look_for_urgent(data)
            if self.state != "running":
                return
        self._rx += data
        self._turn()
        if self.sizes.rx and len(self._rx) > self.sizes.rx:
            self.overruns += len(self._rx) - self.sizes.rx
            del self._rx[self.sizes.rx :]

    @property
    def waiting_bytes(self) -> int:
        """Bytes that no buffer has room for: with flow control the host has to wait."""
        return 0 if self.sizes.rx else len(self._rx)

    def lines(self, *texts: str) -> None:
        """Say lines to the host."""
        if texts:
            end = self.dialect.ends
            self._say("".join(text + end for text in texts).encode("latin-1", "replace"))

    def _look_for_urgent(self, data: bytes) -> None:
        seen = self._tail + data
        if b"M" in seen:
            for found in _URGENT.finditer(seen):
                self._urgently(found[1].decode(), found[2].decode("latin-1"))
        cut = max(seen.rfind(b"\n"), seen.rfind(b"\r"))
        self._tail = b"\n" + seen[cut + 1 :][-TAIL:]

    def _urgently(self, code: str, rest: str) -> None:
        if code == "112":
            self.kill()
        elif code == "410":
            self.machine.quick_stop()
        else:
            self.urge(code + rest.strip() if code == "876" else code)

    def urge(self, code: str) -> None:
        """Whoever waits for a person waits no longer; `108` ends a wait for heat, too."""
        self.urgent.add(code)
        self._resume()

    # --- lines

    def _turn(self) -> None:
        """Read lines while there is room for them, and carry out what waits."""
        while self.state == "running":
            if self.pulse.now < self.deaf_until:
                self._after("deaf", self.deaf_until - self.pulse.now, self._turn)
                return
            self._read()
            if self._steps is not None or not self._queue:
                break
            self._start(self._queue.popleft())
        self.accepted.flush()
        if self.on_turn is not None:
            self.on_turn()

    def _read(self) -> None:
        rx = self._rx
        while len(self._queue) < self.sizes.queue and self.state == "running":
            found = _END.search(rx)
            if found is None:
                if len(rx) > 4096:  # noqa: PLR2004 -- no line is that long; the rest is skipped
                    del rx[96:]
                return
            raw = bytes(rx[: found.start()])
            del rx[: found.end()]
            self._take(raw)

    def _take(self, raw: bytes) -> None:
        if self.refuse_next > 0 and raw.strip():
            self.refuse_next -= 1
            raw = _spoilt(raw)
        judged = self.dialect.judge(raw, self._last)
        if judged is None or (self.tripped and self.dialect.thermal_stops):
            return
        self._cancel("wait")
        if isinstance(judged, Refusal):
            self._refuse(judged)
            return
        self._cancel("nag")
        if judged.number is not None:
            self._last = judged.number
        self.accepted.add(judged.number, judged.text)
        if not self.dialect.emergency_parser and judged.number is None:
            stops = judged.text[:4] == b"M112" and not self.halted
            self._early(judged.text)
            if stops:
                return
        if self.dialect.acks_on_receipt:
            self._acknowledge(judged.number)
        self._queue.append(judged)

    def _refuse(self, refusal: Refusal) -> None:
        self.refused += refusal.says != ("ok",)
        if refusal.flush:
            self._rx.clear()
        self.lines(*refusal.says)
        if self.dialect.nag_s is not None:
            self._after("nag", self.dialect.nag_s, self._nag)
        self._idle()

    def _nag(self) -> None:
        self.lines(*self.dialect.nag(self._last))
        self._after("nag", self.dialect.nag_s or 0.0, self._nag)

    def _early(self, text: bytes) -> None:
        """Without an emergency parser some commands still act when they are read."""
        code = text[:4]
        if code == b"M112":
            self.kill()
        elif code == b"M108":
            self.urge("108")
        elif code == b"M410":
            self.machine.quick_stop()

    def _acknowledge(self, number: int | None, more: str = "") -> None:
        free = self.machine.planner_free()
        said = self.dialect.ok(number, free, self.sizes.queue - len(self._queue))
        # A report's `ok` is printed by its command, which knows nothing of ADVANCED_OK.
        self.lines(f"ok {more}" if more else said)

    # --- commands

    def _start(self, line: Line) -> None:
        words = words_of(line.text, line.number)
        self._last_command = self.pulse.now
        if self.halted and words.code not in self.dialect.halted_allows:
            self._refuse_halted(words)
            return
        self._answered = self.dialect.acks_on_receipt or words.code in self.dialect.acks_early
        if words.code in self.dialect.acks_early:
            self._acknowledge(words.number)
        done = self._commands.run(words)
        if isinstance(done, Generator):
            self._running, self._steps = words, done
            if self.dialect.busy_s is not None:
                self._after("busy", self.dialect.busy_s, self._say_busy)
            self._resume()
        else:
            self._finish(words, done)

    def _refuse_halted(self, words: Words) -> None:
        if words.code != "M999":
            self.lines("!!")
            return
        self.tripped = False
        self.lines("WARNING: After HALT you should HOME as position is currently unknown", "ok")

    def _resume(self) -> None:
        """Go on with the command that takes its time."""
        steps, words = self._steps, self._running
        if steps is None or words is None or self.state != "running":
            return
        try:
            seconds = next(steps)
        except StopIteration as over:
            self._steps = self._running = None
            self._cancel("busy")
            self._cancel("step")
            self.busy_reason = "processing"
            self._finish(words, over.value)
            self._turn()
        else:
            if self._steps is steps:
                self._after("step", seconds, self._resume)

    def _finish(self, words: Words, more: str | None) -> None:
        if self.state != "running" or self.halted:
            return
        if self._answered:
            if more:
                self.lines(more)
        elif more:
            self.lines(f"ok {more}")
        else:
            self._acknowledge(words.number)
        self._idle()

    def _say_busy(self) -> None:
        self.lines(self.dialect.busy(self.busy_reason))
        self._after("busy", self.dialect.busy_s or 0.0, self._say_busy)

    # --- what happens by itself

    def _idle(self) -> None:
        if self.dialect.wait_s is not None and not self._queue and self._steps is None:
            self._after("wait", self.dialect.wait_s, self._say_wait)

    def _say_wait(self) -> None:
        self.lines("wait")
        self._idle()

    def _begin_watch(self) -> None:
        if "watch" not in self._timers and self.state == "running":
            self._after("watch", 1.0, self._watch)

    def _watch(self) -> None:
        """Once a second while a heater is on: the firmware's own thermal protection."""
        self._cancel("watch")
        if self.state != "running" or not self.machine.heat.risky():
            return
        self._after("watch", 1.0, self._watch)
        dialect, machine = self.dialect, self.machine
        limit = dialect.safety_timer_s
        if limit is not None and self.pulse.now - self._last_command > limit and machine.still():
            self._last_command = self.pulse.now
            if machine.heat.cool():
                self.lines("echo:Heating disabled by safety timer.")
        trouble = machine.heat.trouble()
        if trouble is not None and dialect.setup.thermal_protection and not self.tripped:
            self._trip(dialect.thermal_error(*trouble))

    def _trip(self, why: str) -> None:
        """What a board does whose own thermal protection has found something."""
        if self.dialect.thermal_kills and not self.dialect.thermal_stops:
            self.kill(why)
            return
        self.tripped = True
        self.accepted.remark("heaters off")
        self.lines(why, *self.dialect.after_thermal())
        self.machine.heat.cool()
        if self.dialect.thermal_stops:
            self._queue.clear()
            self._after("busy", self.dialect.busy_s or 0.0, self._say_busy)

    def report_every(self, seconds: float) -> None:
        """M155: temperatures by themselves; 0 ends it."""
        self._cancel("report")
        if seconds > 0:
            self._after("report", seconds, lambda: self._report(seconds))

    def _report(self, seconds: float) -> None:
        self.lines(self.temperatures())
        self.report_every(seconds)

    def temperatures(self) -> str:
        """A report of all heaters in the dialect's words."""
        return self.dialect.temperatures(self.machine.heat.now(), self.machine.pose.tool)

    def _after(self, what: str, seconds: float, call: Callable[[], None]) -> None:
        self._cancel(what)
        self._timers[what] = self.pulse.after(seconds, call)

    def _cancel(self, what: str) -> None:
        timer = self._timers.pop(what, None)
        if timer is not None:
            timer.cancel()

    def stall(self, seconds: float) -> None:
        """Read nothing and answer nothing for so long; heaters and moves go on."""
        self.deaf_until = self.pulse.now + seconds
        self._after("deaf", seconds, self._turn)

    def truth(self) -> dict[str, Any]:
        """Everything there is to know about it."""
        return {
            "state": self.state,
            "boots": self.boots,
            "last_line": self._last,
            "accepted": self.accepted.total,
            "lines": self.accepted.lines,
            "digest": self.accepted.digest,
            "tripped": self.tripped,
            "refused": self.refused,
            "overruns": self.overruns,
            "queued": len(self._queue),
            "running": None if self._running is None else self._running.line,
            **self.machine.truth(),
        }


def _spoilt(raw: bytes) -> bytes:
    """A line as a disturbed wire would hand it over.

    Several bits of its sum are others: one might make up for a bit that is spoilt elsewhere in it.
    """
    return raw + b"99" if b"*" in raw else raw[:-1] + bytes([raw[-1] ^ 1])
