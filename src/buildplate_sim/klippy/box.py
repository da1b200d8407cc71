"""One simulated Klipper machine: its disk, bed and heaters, and the Klippy that boots on it."""

from __future__ import annotations

import asyncio
from random import Random
from typing import TYPE_CHECKING, Any, Protocol

from buildplate_sim.heat import Heater
from buildplate_sim.journal import Journal, Scribe
from buildplate_sim.klippy.config import MACROS
from buildplate_sim.klippy.klippy import Klippy
from buildplate_sim.plate import Plate
from buildplate_sim.pulse import Pulse

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from buildplate_sim.klippy.config import Macro
    from buildplate_sim.klippy.life import Later

BOOT_S, RESTART_S, FIRMWARE_RESTART_S = 0.5, 2.3, 2.2
"""From the program's start to ready; 3.07 s were measured after RESTART, 2.3 s after a shutdown."""

GONE_S = 0.1
"""The API's socket is away so long in a restart."""

_PIDS = range(1000, 30_000)


class Door(Protocol):
    """Whatever lets clients in to the API."""

    def up(self) -> None:
        """The program listens."""

    def down(self) -> None:
        """The program is gone, or begins anew: nobody is connected any more."""

    def pause(self) -> None:
        """The program is stopped: nothing is read."""

    def resume(self) -> None:
        """It goes on."""


class Box:
    """A machine that is switched on and off; what is on its disk and on its bed stays."""

    def __init__(
        self, name: str, root: Path, *, factor: float, random: Random, scribe: Scribe, later: Later
    ) -> None:
        self.gcodes = root / "gcodes"
        self.gcodes.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.root = root
        self.random = random
        self.later = later
        self.pulse = Pulse(factor)
        self.journal = Journal(root / "log.jsonl", scribe)
        self.journal.write("power-on")
        self.plate = Plate(self.journal)
        self.heaters = {name: Heater(name, at=self.pulse.now) for name in ("tool0", "bed")}
        self.macros: dict[str, Macro] = dict(MACROS)
        self.mcu_shut_down = False
        self.fed = True
        self.process_id = 0
        self.auto_clear_s: float | None = None
        self.klippy: Klippy | None = None
        self.doors: list[Door] = []
        self.passed: Callable[[str, float], None] = lambda _path, _share: None
        self.walked: Callable[[str], None] = lambda _path: None
        self.held: Callable[[str], float] = lambda _path: 0.0

    # --- the program's life

    def boot(self, ready_after: float = BOOT_S) -> None:
        """Start the program as a new process."""
        self.process_id = self.random.choice(_PIDS)
        self._begin(ready_after)

    def _begin(self, ready_after: float) -> None:
        klippy = self.klippy = Klippy(self)
        klippy.runs.ended = self._run_ended
        self.pulse.after(ready_after, lambda: None if klippy.life.over else klippy.started())
        for door in self.doors:
            door.up()

    def restart(self, klippy: Klippy, *, firmware: bool) -> None:
        """RESTART and FIRMWARE_RESTART: the same process begins anew."""
        if klippy is not self.klippy:
            return
        if firmware:
            self.journal.write("firmware-restart")
        else:
            self.journal.write("restart")
        self._end("stopped")
        if firmware and self.fed:
            self.mcu_shut_down = False
        ready_after = FIRMWARE_RESTART_S if firmware else RESTART_S
        self.pulse.after(GONE_S, lambda: self._begin(ready_after - GONE_S))

    def kill(self) -> None:
        """Kill -9."""
        self.journal.write("killed")
        self._end("stopped")
        self.thaw()

    def _end(self, outcome: str) -> None:
        klippy, self.klippy = self.klippy, None
        if klippy is not None:
            klippy.die(outcome)
        for door in self.doors:
            door.down()

    def _run_ended(self) -> None:
        if self.auto_clear_s is not None:
            self.pulse.after(self.auto_clear_s, lambda: self.plate.clear("automatic"))

    def freeze(self) -> None:
        """Stop the program like SIGSTOP."""
        self.journal.write("frozen")
        self.pulse.freeze()
        for door in self.doors:
            door.pause()

    def thaw(self) -> None:
        """Let it go on and carry out what has arrived."""
        if not self.pulse.frozen:
            return
        self.journal.write("thawed")
        self.pulse.thaw()
        for door in self.doors:
            door.resume()

    def wake_after(self, seconds: float) -> None:
        """Thaw after so many simulated seconds, which pass outside the frozen machine."""
        asyncio.get_running_loop().call_later(seconds / self.pulse.factor, self.thaw)

    def tick(self) -> None:
        """Let the API look at the objects."""
        if self.klippy is not None and not self.pulse.frozen:
            self.klippy.webhooks.tick()

    def close(self) -> None:
        """Switch off for good."""
        self._end("stopped")
        self.pulse.clear()

    def truth(self) -> dict[str, Any]:
        """What the machine is and does, whatever it says."""
        klippy = self.klippy
        runs = klippy.runs if klippy is not None else None
        part = runs.part if runs is not None and runs.run else None
        return {
            "running": klippy is not None,
            "frozen": self.pulse.frozen,
            "state": klippy.state if klippy is not None else None,
            "print_state": klippy.stats.state.value if klippy is not None else None,
            "position": klippy.toolhead.at if klippy is not None else None,
            "homed": "".join(sorted(klippy.toolhead.homed)) if klippy is not None else "",
            "temperatures": {
                name: [round(heater.advance(self.pulse.now), 2), heater.target]
                for name, heater in self.heaters.items()
            },
            "bed": self.plate.bed,
            "runs": self.plate.runs,
            "completed": self.plate.completed,
            "run": None if part is None or runs is None else {"id": runs.run, **part.facts},
            "files": sorted(
                str(path.relative_to(self.gcodes))
                for path in self.gcodes.rglob("*")
                if path.is_file() and not path.parent.name.startswith(".")
            ),
        }
