"""Many simulated OctoPrints in one process: their addresses and their one ticker."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from ipaddress import IPv4Address
from random import Random
from typing import TYPE_CHECKING, Any

from buildplate_sim.gcode import Library
from buildplate_sim.octoprint.answers import USER
from buildplate_sim.octoprint.host import Host
from buildplate_sim.octoprint.line import OPENED_S
from buildplate_sim.octoprint.push import PushSocket, message

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from pathlib import Path

    from buildplate_sim.journal import Scribe

_PHASES = 5
"""Groups of hosts that are served one after the other within an interval."""


@dataclass(frozen=True, slots=True)
class FarmConfig:
    """What a farm of simulated OctoPrints is made of.

    `push_interval_s` is in real seconds: it is the one duration that the time factor leaves alone,
    so that a fast clock does not flood everybody. `user`: whose key is announced.
    """

    count: int
    base_address: str
    port: int
    state_dir: Path
    time_factor: float = 1.0
    seed: int = 0
    push_interval_s: float = 0.5
    connect: bool = True
    user: str = USER


class Farm:
    """The hosts of one process."""

    def __init__(
        self,
        config: FarmConfig,
        scribe: Scribe,
        later: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        self.config = config
        self._library = Library()
        self._phase = 0
        self._ticking: asyncio.TimerHandle | None = None
        self.hosts: dict[str, Host] = {}
        for index in range(config.count):
            name = f"octo-{index + 1:03d}"
            self.hosts[name] = Host(
                name,
                config.state_dir / name,
                factor=config.time_factor,
                random=Random(f"{config.seed}/{name}"),
                scribe=scribe,
                library=self._library,
                later=later,
                user=config.user,
            )

    async def open(self) -> None:
        """Listen and boot everywhere; the printers that connect have done so at the end."""
        first = IPv4Address(self.config.base_address)
        for index, host in enumerate(self.hosts.values()):
            kept = self.config.state_dir / host.name / "port"
            port = self.config.port or (int(kept.read_text()) if kept.exists() else 0)
            await host.door.listen(str(first + index), port)
            kept.write_text(str(host.door.address[1]))
            host.boot(connect=self.config.connect)
        if self.config.connect:
            await asyncio.sleep(2 * OPENED_S / self.config.time_factor + 0.01)
        self._tick()

    def close(self) -> None:
        """Switch all off."""
        if self._ticking is not None:
            self._ticking.cancel()
        for host in self.hosts.values():
            host.close()

    def act(self, name: str, action: str) -> None:
        """Do something to a host by name, as the proxy may."""
        self.hosts[name].plays.play(action, {"down_s": 4.0})

    def announcement(self) -> list[dict[str, Any]]:
        """What whoever started the process wants to know."""
        return [
            {
                "name": host.name,
                "driver": "octoprint",
                "url": host.door.base,
                "api_key": host.key,
                "connection": {"url": host.door.base, "api_key": host.key},
            }
            for host in self.hosts.values()
        ]

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        self._ticking = loop.call_later(self.config.push_interval_s / _PHASES, self._tick)
        self._phase = (self._phase + 1) % _PHASES
        for index, host in enumerate(self.hosts.values()):
            if index % _PHASES == self._phase:
                push_levels(host)


def push_levels(host: Host) -> None:
    """Push the current levels to whoever is due; made once per kind of subscription."""
    software = host.software
    if software is None or not software.voice.sockets or host.pulse.frozen:
        return
    made: dict[tuple[bool, tuple[str, ...]], bytes] = {}
    due = [socket for socket in software.voice.sockets if socket.due()]
    for socket in due:
        kind = (socket.logs is True, tuple(socket.log_lines()))
        if kind not in made:
            made[kind] = _current(socket, kind[1])
        host.push_out(socket, made[kind])


def _current(socket: PushSocket, lines: Sequence[str]) -> bytes:
    views = socket.software.views
    return message("current", views.current(logs=socket.logs is True, lines=lines))
