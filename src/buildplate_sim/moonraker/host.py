"""One simulated host: a Klipper machine, and the Moonraker that boots beside its Klippy."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from buildplate_sim.klippy.box import Box
from buildplate_sim.moonraker.api import Api
from buildplate_sim.moonraker.delivery import Delivery
from buildplate_sim.moonraker.door import Door
from buildplate_sim.moonraker.files import Files
from buildplate_sim.moonraker.moonraker import Moonraker
from buildplate_sim.moonraker.plays import HostPlays
from buildplate_sim.moonraker.power import PowerDevices

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

    from buildplate_sim.journal import Journal, Scribe
    from buildplate_sim.klippy.life import Later
    from buildplate_sim.moonraker.rpc import RpcSocket
    from buildplate_sim.rules import RuleBook

PROC_STATS = {
    "moonraker_stats": {"time": 0.0, "cpu_usage": 1.9, "memory": 51_664, "mem_units": "kB"},
    "cpu_temp": 48.2,
    "network": {"eth0": {"rx_bytes": 1_723_137_927, "tx_bytes": 3_891_554, "bandwidth": 4851.29}},
    "system_cpu_usage": {"cpu": 3.1, "cpu0": 3.1},
    "system_memory": {"total": 949_704, "available": 500_000, "used": 449_704},
    "websocket_connections": 1,
}
"""What Moonraker tells of its own process every second."""


class Host:
    """A host that is switched on and off; `program` is None while Moonraker is down."""

    def __init__(
        self,
        name: str,
        root: Path,
        *,
        factor: float,
        random: Random,
        scribe: Scribe,
        later: Later,
        trusted: bool = False,
    ) -> None:
        self.name = name
        self.root = root
        self.key = f"{name}-".ljust(32, "k")
        self.trusted = trusted
        self.revoked = False
        self.hushed = False
        self.box = Box(name, root, factor=factor, random=random, scribe=scribe, later=later)
        self.journal: Journal = self.box.journal
        self.power = PowerDevices(self)
        self.files = Files(self.box.gcodes, root / "tmp")
        self.plays = HostPlays(self)
        self.rules: RuleBook = self.plays.rules
        self.api = Api(self)
        self.delivery = Delivery(self)
        self.door = Door(self)
        self.box.doors.append(KlippyOfHost(self))
        self.program: Moonraker | None = None

    @property
    def running(self) -> Moonraker:
        """The program; only asked for where a call has reached it."""
        assert self.program is not None  # noqa: S101 -- calls reach running programs only
        return self.program

    @property
    def frozen(self) -> bool:
        """Whether Moonraker stands still."""
        return self.program is not None and self.program.frozen

    def key_counts(self, key: str) -> bool:
        """Whether a key lets in."""
        return key == self.key and not self.revoked

    def history_play(self, path: str) -> str:
        """What is played on the row of a print that begins."""
        rule = self.rules.take("history", path=path)
        return rule.play if rule is not None else ""

    # --- Moonraker's life

    def boot(self) -> None:
        """Start Moonraker; it finds its Klippy at its next look."""
        self.program = Moonraker(self)

    def end(self, *, orderly: bool) -> None:
        """End Moonraker; whatever prints goes on."""
        self.journal.write("shut-down" if orderly else "killed")
        program, self.program = self.program, None
        self.door.deafen()
        if program is not None:
            program.end(orderly=orderly)

    def freeze(self) -> None:
        """Stop Moonraker like SIGSTOP: the kernel still accepts and keeps what arrives."""
        self.journal.write("frozen")
        self.running.freeze()
        self.door.pause()

    def thaw(self) -> None:
        """Let it go on and carry out what has arrived, its sender there or not."""
        if self.program is None or not self.program.frozen:
            return
        self.journal.write("thawed")
        self.program.thaw()
        self.door.resume()

    def wake_after(self, seconds: float) -> None:
        """Thaw after so many simulated seconds."""
        asyncio.get_running_loop().call_later(seconds / self.box.pulse.factor, self.thaw)

    def tick(self) -> None:
        """Let Klippy look at its objects, and Moonraker at its Klippy."""
        self.box.tick()
        if self.program is not None:
            self.program.tick()

    def tell_load(self) -> None:
        """What Moonraker tells of its process."""
        if self.program is not None and self.program.sockets:
            self.program.tell("notify_proc_stat_update", PROC_STATS)

    def push_out(self, socket: RpcSocket, framed: bytes) -> None:
        """Send a message, unless the sockets are kept silent."""
        if not self.hushed:
            socket.send(framed)

    def close(self) -> None:
        """Switch off for good."""
        self.door.deafen()
        if self.program is not None:
            self.program.life.end()
        self.box.close()

    # --- as the control API sees it

    def show(self) -> dict[str, Any]:
        """The truth about it."""
        return {
            "name": self.name,
            "url": self.door.base,
            "api_key": self.key,
            **self.box.truth(),
            "moonraker": self.program is not None,
            "moonraker_frozen": self.frozen,
            "power": self.power.truth(),
            "clients": len(self.program.sockets) if self.program is not None else 0,
        }

    def play(self, action: str, params: dict[str, Any]) -> None:
        """Do something to it, as docs/reference/simulators.md names it."""
        self.plays.play(action, params)


class KlippyOfHost:
    """Klippy's door, as the connection of the host's Moonraker to it sees it."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def up(self) -> None:
        """Klippy listens."""

    def down(self) -> None:
        """Klippy is gone."""
        if self._host.program is not None:
            self._host.program.link.gone()

    def pause(self) -> None:
        """Klippy stands still: what is asked of it waits."""

    def resume(self) -> None:
        """Klippy goes on."""
