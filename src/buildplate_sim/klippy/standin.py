"""The stand-in as a process of its own: one machine, its socket, and the clock of its objects."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any

from buildplate_sim.klippy.box import BOOT_S, Box
from buildplate_sim.klippy.plays import Plays
from buildplate_sim.klippy.socket import SocketDoor

if TYPE_CHECKING:
    from pathlib import Path

    from buildplate_sim.journal import Scribe
    from buildplate_sim.klippy.life import Later

NAME = "klippy"


@dataclass(frozen=True, slots=True)
class StandInConfig:
    """`tick_s` is how often the objects are looked at, in real seconds: Klipper does so at 4 Hz."""

    state_dir: Path
    socket: Path
    time_factor: float = 1.0
    seed: int = 0
    tick_s: float = 0.25


class StandIn:
    """One stand-in."""

    def __init__(self, config: StandInConfig, scribe: Scribe, later: Later) -> None:
        self.config = config
        self.box = Box(
            NAME,
            config.state_dir,
            factor=config.time_factor,
            random=Random(f"{config.seed}/{NAME}"),
            scribe=scribe,
            later=later,
        )
        self.plays = Plays(self.box)
        self.door = SocketDoor(self.box, config.socket)
        self.box.doors.append(self.door)
        self._ticking: asyncio.TimerHandle | None = None

    # --- as the control API sees it

    @property
    def name(self) -> str:
        """There is one."""
        return NAME

    @property
    def journal(self) -> Any:
        """The machine's own record."""
        return self.box.journal

    @property
    def rules(self) -> Any:
        """The faults that are to be played."""
        return self.plays.rules

    def show(self) -> dict[str, Any]:
        """The truth about it."""
        return {"name": NAME, **self.box.truth(), "clients": len(self.door.links)}

    def play(self, action: str, params: dict[str, Any]) -> None:
        """Do something to it."""
        self.plays.play(action, params)

    # --- as the process sees it

    async def open(self) -> None:
        """Boot, listen, and be ready."""
        self.box.boot()
        await asyncio.sleep(BOOT_S / self.config.time_factor + 0.01)
        self._tick()

    def close(self) -> None:
        """Switch off."""
        if self._ticking is not None:
            self._ticking.cancel()
        self.box.close()

    def announcement(self) -> list[dict[str, Any]]:
        """What whoever started the process wants to know."""
        return [
            {
                "name": NAME,
                "socket": str(self.config.socket),
                "gcodes": str(self.box.gcodes),
            }
        ]

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        self._ticking = loop.call_later(self.config.tick_s, self._tick)
        self.box.tick()
