"""When a print physically begins and ends, told to the record: not when its file is parsed."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildplate_sim.klippy.life import Life
    from buildplate_sim.klippy.toolhead import Toolhead
    from buildplate_sim.plate import Part, Plate
    from buildplate_sim.pulse import Timer


class Runs:
    """At most one physical run."""

    def __init__(self, life: Life, plate: Plate, toolhead: Toolhead) -> None:
        self._life = life
        self._plate = plate
        self._toolhead = toolhead
        self._run = ""
        self._finish: Timer | None = None
        self.part: Part | None = None
        self.ended: Callable[[], None] = lambda: None

    @property
    def run(self) -> str:
        """The name of the run under way; '' when there is none."""
        return self._run

    async def begin(self, part: Part) -> None:
        """A file's lines are carried out from now on; durable when this returns."""
        if self._run and self._finish is None and part is self.part:
            return  # it goes on after a pause
        self.stop("completed" if self._finish is not None else "cancelled")
        self.part = part

        def order(then: Callable[[], None]) -> None:
            self._run = self._plate.begin(part, then)

        await self._life.told(order)

    def parsed(self) -> None:
        """Its last line was read: it is over when the motion is."""
        if self._run and self._finish is None:
            left = self._toolhead.queued_s
            self._finish = self._life.pulse.after(left, partial(self.stop, "completed"))

    def stop(self, outcome: str) -> None:
        """It is over, if there is one."""
        if self._finish is not None:
            self._finish.cancel()
            self._finish = None
        run, self._run = self._run, ""
        if run and self.part is not None:
            self._plate.end(run, self.part, outcome)
            self.ended()
