"""Many simulated Moonrakers in one process: their addresses and their one ticker."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from ipaddress import IPv4Address
from random import Random
from typing import TYPE_CHECKING, Any

from buildplate_sim.klippy.box import BOOT_S
from buildplate_sim.moonraker.host import Host

if TYPE_CHECKING:
    from pathlib import Path

    from buildplate_sim.journal import Scribe
    from buildplate_sim.klippy.life import Later

_PHASES = 5
"""Groups of hosts that are served one after the other within an interval."""

LOAD_S = 1.0
"""Real seconds between two words of Moonraker on its own process."""


@dataclass(frozen=True, slots=True)
class FarmConfig:
    """What a farm of simulated Moonrakers is made of.

    `tick_s`, how often objects are looked at, is in real seconds: the time factor leaves it alone,
    so that a fast clock does not flood everybody. `trusted`: nobody needs a key. `load`: tell of
    the process every second, as the real one does.
    """

    count: int
    base_address: str
    port: int
    state_dir: Path
    time_factor: float = 1.0
    seed: int = 0
    tick_s: float = 0.25
    trusted: bool = False
    load: bool = True


class Farm:
    """The hosts of one process."""

    def __init__(self, config: FarmConfig, scribe: Scribe, later: Later) -> None:
        self.config = config
        self._phase = 0
        self._turn = 0
        self._ticking: asyncio.TimerHandle | None = None
        self.hosts: dict[str, Host] = {}
        for index in range(config.count):
            name = f"moon-{index + 1:03d}"
            self.hosts[name] = Host(
                name,
                config.state_dir / name,
                factor=config.time_factor,
                random=Random(f"{config.seed}/{name}"),
                scribe=scribe,
                later=later,
                trusted=config.trusted,
            )

    async def open(self) -> None:
        """Listen and boot everywhere; all are ready at the end."""
        first = IPv4Address(self.config.base_address)
        for index, host in enumerate(self.hosts.values()):
            kept = host.root / "port"
            port = self.config.port or (int(kept.read_text()) if kept.exists() else 0)
            await host.door.listen(str(first + index), port)
            kept.write_text(str(host.door.address[1]))
            host.box.boot()
            host.boot()
        await asyncio.sleep(BOOT_S / self.config.time_factor + 0.01)
        for host in self.hosts.values():
            host.tick()
        self._tick()

    def close(self) -> None:
        """Switch all off."""
        if self._ticking is not None:
            self._ticking.cancel()
        for host in self.hosts.values():
            host.close()

    def act(self, name: str, action: str) -> None:
        """Do something to a host by name, as the proxy may."""
        self.hosts[name].play(action, {"down_s": 4.0})

    def announcement(self) -> list[dict[str, Any]]:
        """What whoever started the process wants to know."""
        return [
            {
                "name": host.name,
                "driver": "moonraker",
                "url": host.door.base,
                "api_key": host.key,
                "connection": {"url": host.door.base, "api_key": host.key},
            }
            for host in self.hosts.values()
        ]

    def _tick(self) -> None:
        """A fifth of the hosts has its turn."""
        loop = asyncio.get_running_loop()
        self._ticking = loop.call_later(self.config.tick_s / _PHASES, self._tick)
        self._phase = (self._phase + 1) % _PHASES
        if self._phase == 0:
            self._turn += 1
        every = max(1, round(LOAD_S / self.config.tick_s))
        loaded = self.config.load and self._turn % every == 0
        for index, host in enumerate(self.hosts.values()):
            if index % _PHASES != self._phase:
                continue
            host.tick()
            if loaded:
                host.tell_load()
