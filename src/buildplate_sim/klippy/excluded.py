"""Klipper's `exclude_object`: which objects a print has, and which of them are left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from buildplate_sim.klippy.errors import GcodeError, InternalError

if TYPE_CHECKING:
    from buildplate_sim.klippy.gcode import Command, Gcode


class Excluded:
    """Follows EXCLUDE_OBJECT_START and _END; the moves ask `skips`."""

    def __init__(self, gcode: Gcode) -> None:
        self._objects: list[dict[str, Any]] = []
        self._names: list[str] = []
        self._current: str | None = None
        for name, call, words in (
            ("EXCLUDE_OBJECT_DEFINE", self._define, "Provides a summary of an object"),
            ("EXCLUDE_OBJECT_START", self._start, "Marks the beginning the current object"),
            ("EXCLUDE_OBJECT_END", self._end, "Marks the end the current object"),
            ("EXCLUDE_OBJECT", self._exclude, "Cancel moves inside a specified objects"),
        ):
            gcode.register(name, call, words)

    @property
    def skips(self) -> bool:
        """Whether moves are left out now."""
        return self._current is not None and self._current in self._names

    def reset(self) -> None:
        """Another file: nothing is known of its objects."""
        self._objects, self._names, self._current = [], [], None

    def _define(self, command: Command) -> None:
        if command.params.get("RESET"):
            self._objects, self._names = [], []
            return
        name = command.text("NAME").upper()
        found: dict[str, Any] = {"name": name}
        try:
            if "CENTER" in command.params:
                found["center"] = orjson.loads(f"[{command.params['CENTER']}]")
            if "POLYGON" in command.params:
                found["polygon"] = orjson.loads(command.params["POLYGON"])
        except orjson.JSONDecodeError as error:  # nothing in Klipper takes it
            raise InternalError from error
        self._add(found)

    def _add(self, found: dict[str, Any]) -> None:
        if all(known["name"] != found["name"] for known in self._objects):
            self._objects = sorted([*self._objects, found], key=lambda known: str(known["name"]))

    def _start(self, command: Command) -> None:
        name = command.text("NAME").upper()
        self._add({"name": name})
        self._current = name

    def _end(self, command: Command) -> None:
        if self._current is None:
            command.say("EXCLUDE_OBJECT_END called, but no object is currently active")
        self._current = None

    def _exclude(self, command: Command) -> None:
        name = command.params.get("NAME", "").upper()
        if command.params.get("RESET"):
            self._names = [known for known in self._names if name and known != name]
        elif name:
            self._leave_out(command, name)
        elif command.params.get("CURRENT"):
            if self._current is None:
                raise GcodeError("There is no current object to cancel")
            self._leave_out(command, self._current)
        else:
            command.say("Excluded objects: " + " ".join(self._names))

    def _leave_out(self, command: Command, name: str) -> None:
        if name not in self._names:
            command.say(f"Excluding object {name}")
            self._names = sorted([*self._names, name])

    def status(self) -> dict[str, Any]:
        """The `exclude_object` object."""
        return {
            "objects": self._objects,
            "excluded_objects": self._names,
            "current_object": self._current,
        }
