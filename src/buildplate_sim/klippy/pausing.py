"""Klipper's `pause_resume` and `display_status`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from buildplate_sim.klippy.gcode import Command, Gcode
    from buildplate_sim.klippy.life import Life
    from buildplate_sim.klippy.sdcard import VirtualSd
    from buildplate_sim.klippy.toolhead import Toolhead

_STATE = "NAME=PAUSE_STATE"
TOLD_S = 5.0
"""So long an M73 counts; after it the file's position does."""


class PauseResume:
    """PAUSE, RESUME, CANCEL_PRINT: bound to no file, whatever prints is meant."""

    def __init__(self, gcode: Gcode, card: VirtualSd) -> None:
        self._gcode = gcode
        self._card = card
        self.is_paused = False
        self._card_paused = False
        self._sent = False
        for name, call, words in (
            ("PAUSE", self._pause, "Pauses the current print"),
            ("RESUME", self._resume, "Resumes the print from a pause"),
            ("CLEAR_PAUSE", lambda _: self._clear(), "Clears the current paused state"),
            ("CANCEL_PRINT", self._cancel, "Cancel the current print"),
        ):
            gcode.register(name, call, words)

    async def _pause(self, command: Command) -> None:
        if self.is_paused:
            command.say("Print already paused")
            return
        if not self._sent:
            self._card_paused = self._card.active
            if self._card_paused:
                await self._card.pause()
            else:
                command.say("action:paused")
            self._sent = True
        await self._gcode.carry_out([f"SAVE_GCODE_STATE {_STATE}"])
        self.is_paused = True

    async def _resume(self, command: Command) -> None:
        if not self.is_paused:
            command.say("Print is not paused, resume aborted")
            return
        await self._gcode.carry_out([f"RESTORE_GCODE_STATE {_STATE} MOVE=1"])
        if self._card_paused:
            self._card_paused = False
            self._card.resume()
        else:
            command.say("action:resumed")
        self._clear()

    async def _cancel(self, command: Command) -> None:
        if self._card.active or self._card_paused:
            await self._card.cancel()
        else:
            command.say("action:cancel")
        self._clear()

    def _clear(self) -> None:
        self.is_paused = self._sent = self._card_paused = False

    def status(self) -> dict[str, Any]:
        """The `pause_resume` object."""
        return {"is_paused": self.is_paused}


class DisplayStatus:
    """M117's message, and the progress that M73 or the file's position tells."""

    def __init__(self, life: Life, gcode: Gcode, card: VirtualSd, toolhead: Toolhead) -> None:
        self._life = life
        self._card = card
        self._toolhead = toolhead
        self._message: str | None = None
        self._told: float | None = None
        self._expires = 0.0
        gcode.register("M73", self._progress)
        gcode.register("M117", self._set_message)
        gcode.register("M118", lambda command: command.say(command.line[4:].strip()))
        gcode.register("SET_DISPLAY_TEXT", self._set_text, "Set or clear the display message")

    def _progress(self, command: Command) -> None:
        share = command.number("P", 0.0) / 100
        self._told = min(1.0, max(0.0, share))
        self._expires = self._life.now + TOLD_S

    def _set_message(self, command: Command) -> None:
        text = command.line.strip()[4:].strip()
        self._message = text or None

    def _set_text(self, command: Command) -> None:
        self._message = command.params.get("MSG")

    def status(self) -> dict[str, Any]:
        """The `display_status` object."""
        expired = self._life.now > self._expires and self._toolhead.idle_state() != "Printing"
        if self._told is not None and expired:
            self._told = None
        progress = self._card.progress if self._told is None else self._told
        return {"progress": progress, "message": self._message}
