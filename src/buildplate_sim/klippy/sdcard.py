"""Klipper's `virtual_sdcard`: opens a file and carries out its lines one by one."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Any, TextIO

from buildplate_sim.klippy.errors import GcodeError, InternalError
from buildplate_sim.klippy.print_stats import State
from buildplate_sim.plate import Part

if TYPE_CHECKING:
    from buildplate_sim.klippy.box import Box
    from buildplate_sim.klippy.gcode import Command
    from buildplate_sim.klippy.klippy import Klippy

PRINTABLE = (".gcode", ".g", ".gco")
"""Endings of files that can be printed, in small letters only."""

BLOCK = 8192
"""Characters that are read, and lost to one wrong byte, at a time."""

POLL_S = 0.05
"""How often a print looks whether the queue is free: it lets everybody else go first."""

ON_ERROR = "TURN_OFF_HEATERS"


class VirtualSd:
    """At most one file."""

    def __init__(self, box: Box, klippy: Klippy) -> None:
        self._box = box
        self._klippy = klippy
        self._root = box.gcodes
        self._life = klippy.life
        self._gcode = klippy.gcode
        self._stats = klippy.stats
        self._excluded = klippy.excluded
        self._runs = klippy.runs
        self._toolhead = klippy.toolhead
        self._file: TextIO | None = None
        self._name = ""
        self._part: Part | None = None
        self._position = self._size = 0
        self._must_stop = False
        self._from_file = False
        self._working = False
        self._free = asyncio.Event()
        for name, call, words in (
            ("SDCARD_PRINT_FILE", self._print, "Loads a SD file and starts the print"),
            ("SDCARD_RESET_FILE", self._reset_command, "Clears a loaded SD File"),
            ("M20", self._list, ""),
            ("M21", lambda _: self._gcode.respond("SD card ok"), ""),
            ("M23", self._select, ""),
            ("M24", lambda _: self.resume(), ""),
            ("M25", self._pause_command, ""),
            ("M26", self._seek, ""),
            ("M27", self._report, ""),
        ):
            klippy.gcode.register(name, call, words)

    @property
    def active(self) -> bool:
        """Whether lines are carried out."""
        return self._working

    # --- commands

    async def _print(self, command: Command) -> None:
        if self._working:
            raise GcodeError("SD busy")
        held = self._box.held(command.params.get("FILENAME", ""))
        if held:
            self._toolhead.touch()
            await self._life.sleep(held)
            if self._toolhead.halted:
                raise GcodeError(self._klippy.state_message)
        await self.reset()
        name = command.text("FILENAME").removeprefix("/")
        self._load(name, foreign="BY" in command.params)
        self.resume()

    async def _select(self, command: Command) -> None:
        if self._working:
            raise GcodeError("SD busy")
        await self.reset()
        self._load(command.raw_params.split("*")[0].strip().removeprefix("/"))

    def _list(self, _: Command) -> None:
        self._gcode.respond("Begin file list")
        for path in sorted(self._root.rglob("*")):
            if path.suffix in PRINTABLE:
                self._gcode.respond(f"{path.relative_to(self._root)} {path.stat().st_size}")
        self._gcode.respond("End file list")

    async def _reset_command(self, _: Command) -> None:
        if self._from_file:
            raise GcodeError("SDCARD_RESET_FILE cannot be run from the sdcard")
        await self.reset()

    async def _pause_command(self, _: Command) -> None:
        await self.pause()

    def _seek(self, command: Command) -> None:
        if self._working:
            raise GcodeError("SD busy")
        self._position = int(command.number("S", least=0))

    def _report(self, _: Command) -> None:
        if self._file is None:
            self._gcode.respond("Not SD printing.")
        else:
            self._gcode.respond(f"SD printing byte {self._position}/{self._size}")

    # --- the file

    def _load(self, name: str, *, foreign: bool = False) -> None:
        try:
            self._box.walked(name)
            paths = {
                str(path.relative_to(self._root)).lower(): path
                for path in self._root.rglob("*")
                if path.suffix in PRINTABLE and path.stat()
            }
        except FileNotFoundError as error:  # somebody deleted a file while Klipper looked
            raise InternalError from error
        try:
            path = paths[name.lower()]
            content = path.read_bytes()
            self._file = path.open("r", encoding="utf-8", newline="")
        except (KeyError, OSError):
            raise GcodeError("Unable to open file") from None
        self._size, self._position = len(content), 0
        self._part = Part(name, hashlib.sha256(content).hexdigest(), foreign)
        self._name = str(path)
        self._gcode.respond(f"File opened:{name} Size:{self._size}")
        self._gcode.respond("File selected")
        self._stats.set_file(name)

    async def reset(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            await self.pause()
            self._close()
        self._runs.stop("cancelled")
        self._position = self._size = 0
        self._stats.reset()
        self._excluded.reset()

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def close(self) -> None:
        """The program is gone: so are its descriptors."""
        self._close()

    # --- printing

    def resume(self) -> None:
        """Carry out lines from where it stopped; `GcodeError` when it does so already."""
        if self._working:
            raise GcodeError("SD busy")
        self._must_stop, self._working = False, True
        self._free.clear()
        self._life.spawn(self._work())

    async def pause(self) -> None:
        """Stop after the line that is carried out now."""
        if self._working:
            self._must_stop = True
            if not self._from_file:
                await self._free.wait()

    def stop(self) -> None:
        """Stop at once: the machine is shut down."""
        self._must_stop = True

    async def cancel(self) -> None:
        """Stop, and let go of the file."""
        if self._file is None:
            return
        await self.pause()
        self._close()
        self._stats.ended(State.CANCELLED)
        self._position = self._size = 0
        self._runs.stop("cancelled")

    async def _work(self) -> None:
        error: str | None = None
        if self._file is not None and self._part is not None:
            await self._runs.begin(self._part)
            self._file.seek(self._position)
            self._stats.begun()
            error = await self._lines(self._file)
        self._working = self._from_file = False
        self._free.set()
        if error is not None:
            self._stats.ended(State.ERROR, error)
            self._runs.stop("failed")
        elif self._file is not None:
            self._stats.paused()
        elif self._part is not None:
            self._stats.ended(State.COMPLETE)
            self._runs.parsed()

    async def _lines(self, file: TextIO) -> str | None:
        """Carry out lines until the end, a wish to stop, or an error, which is answered."""
        rest, lines = "", list[str]()
        while not self._must_stop:
            if not lines:
                try:
                    block = file.read(BLOCK)
                except UnicodeDecodeError:
                    return None  # Klipper logs it, and the print is paused
                if not block:  # what stands behind the last newline is never carried out
                    self._close()
                    self._gcode.respond("Done printing file")
                    return None
                *lines, rest = (rest + block).split("\n")
                lines.reverse()
                await asyncio.sleep(0)
                continue
            if self._gcode.mutex.busy:
                await self._life.sleep(POLL_S)
                continue
            error = await self._line(lines.pop())
            if error is not None:
                return error
        return None

    async def _line(self, line: str) -> str | None:
        behind = self._position + len(line.encode()) + 1
        self._from_file = True
        try:
            await self._gcode.run(line)
        except GcodeError as error:
            await self._turn_off()
            return str(error)
        finally:
            self._from_file = False
        self._position = behind
        if self._size:
            self._box.passed(self._stats.filename, self._position / self._size)
        return None

    async def _turn_off(self) -> None:
        try:
            await self._gcode.run(ON_ERROR)
        except GcodeError:  # the printer is shut down: its heaters are off
            return

    # --- what it says

    def status(self) -> dict[str, Any]:
        """The `virtual_sdcard` object."""
        return {
            "file_path": self._name if self._file is not None else None,
            "progress": self.progress,
            "is_active": self._working,
            "file_position": self._position,
            "file_size": self._size,
        }

    @property
    def progress(self) -> float:
        """How much of the file was carried out (0-1)."""
        return self._position / self._size if self._size else 0.0
