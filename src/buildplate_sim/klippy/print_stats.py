"""Klipper's `print_stats`: which file, what of it, and for how long."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

from buildplate_sim.klippy.toolhead import E

if TYPE_CHECKING:
    from buildplate_sim.klippy.gcode import Command, Gcode
    from buildplate_sim.klippy.life import Life
    from buildplate_sim.klippy.moves import Moves
    from buildplate_sim.klippy.toolhead import Toolhead

_NO_FILAMENT = 1e-7


class State(StrEnum):
    """How a print is, or how the last one ended."""

    STANDBY = "standby"
    PRINTING = "printing"
    PAUSED = "paused"
    COMPLETE = "complete"
    CANCELLED = "cancelled"
    ERROR = "error"


class PrintStats:
    """Filament and print time grow only when somebody asks for them, as in Klipper."""

    def __init__(self, life: Life, gcode: Gcode, toolhead: Toolhead, moves: Moves) -> None:
        self._life = life
        self._toolhead = toolhead
        self._moves = moves
        self.reset()
        gcode.register(
            "SET_PRINT_STATS_INFO", self._set_info, "Pass additional slicer info to Klipper"
        )

    def reset(self) -> None:
        """No file."""
        self.filename, self.message = "", ""
        self.state = State.STANDBY
        self._filament = self._total = self._paused = self._before_filament = 0.0
        self._began: float | None = None
        self._paused_at: float | None = None
        self._last_e = 0.0
        self._layers: int | None = None
        self._layer: int | None = None

    def set_file(self, filename: str) -> None:
        """Another file was opened, under the name that was asked for."""
        self.reset()
        self.filename = filename

    def begun(self) -> None:
        """Its lines are carried out from now on, perhaps again."""
        now = self._life.now
        self._last_e = self._toolhead.at[E]
        if self._began is None:
            self._began = now
        elif self._paused_at is not None:
            self._paused += now - self._paused_at
            self._paused_at = None
        self.state, self.message = State.PRINTING, ""

    def paused(self) -> None:
        """Nothing more is carried out for now."""
        if self._paused_at is None:
            self._paused_at = self._life.now
            self._count_filament()
        if self.state is not State.ERROR:
            self.state = State.PAUSED

    def ended(self, state: State, message: str = "") -> None:
        """The print is over."""
        if self._began is None:
            return
        self.state, self.message = state, message
        self._total = self._life.now - self._began
        if self._filament < _NO_FILAMENT:
            self._before_filament = self._total - self._paused
        self._began = None

    def _count_filament(self) -> None:
        at = self._toolhead.at[E]
        self._filament += (at - self._last_e) / self._moves.extrude_factor
        self._last_e = at

    def _set_info(self, command: Command) -> None:
        if "TOTAL_LAYER" in command.params:
            layers = int(command.number("TOTAL_LAYER", least=0))
            if layers != self._layers:
                self._layer = 0 if layers else None
            self._layers = layers or None
        if "CURRENT_LAYER" in command.params and self._layers is not None:
            self._layer = min(int(command.number("CURRENT_LAYER", least=0)), self._layers)

    def status(self) -> dict[str, Any]:
        """The `print_stats` object; asking is what makes it count."""
        now, paused = self._life.now, self._paused
        if self._began is not None:
            if self._paused_at is not None:
                paused += now - self._paused_at
            else:
                self._count_filament()
            self._total = now - self._began
            if self._filament < _NO_FILAMENT:
                self._before_filament = self._total - paused
        return {
            "filename": self.filename,
            "total_duration": self._total,
            "print_duration": self._total - self._before_filament - paused,
            "filament_used": self._filament,
            "state": self.state.value,
            "message": self.message,
            "info": {"total_layer": self._layers, "current_layer": self._layer},
        }
