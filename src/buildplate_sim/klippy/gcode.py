"""Klipper's g-code dispatcher: one queue for everybody, first in, first out."""

from __future__ import annotations

import asyncio
import math
import re
import shlex
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from buildplate_sim.klippy.errors import GcodeError, InternalError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

_WORDS = re.compile(r"([A-Z_]+|[A-Z*/])")
_EXTENDED = re.compile(
    r"^\s*(?:[nN][0-9]+\s*)?(?P<command>[a-zA-Z_][a-zA-Z0-9_]+)(?:\s+|$)(?P<args>.*)$"
)
_TRADITIONAL = re.compile(r"^[A-Z][0-9]")
MACRO_DEPTH = 20
"""Macros within macros; Klipper itself stops at a macro that calls itself."""


@dataclass(slots=True)
class Command:
    """One line on its way to whoever carries it out."""

    name: str
    line: str
    params: dict[str, str]
    say: Callable[[str], None]

    @property
    def raw_params(self) -> str:
        """What stands behind the command, as it was written."""
        return self.line.strip()[len(self.name) :].strip()

    def text(self, name: str, default: str | None = None) -> str:
        """A parameter; `GcodeError` when it is missing and has no default."""
        value = self.params.get(name, default)
        if value is None:
            raise GcodeError(f"Error on '{self.line}': missing {name}")
        return value

    def number(
        self,
        name: str,
        default: float | None = None,
        *,
        least: float = -math.inf,
        above: float = -math.inf,
    ) -> float:
        """A parameter as a number; `GcodeError` when it is none, or too small."""
        given = self.params.get(name)
        if given is None:
            if default is None:
                raise GcodeError(f"Error on '{self.line}': missing {name}")
            return default
        try:
            value = float(given)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise GcodeError(f"Error on '{self.line}': unable to parse {given}")
        if value <= above:
            raise GcodeError(f"Error on '{self.line}': {name} must be above {above}")
        if value < least:
            raise GcodeError(f"Error on '{self.line}': {name} must have minimum of {least}")
        return value


@dataclass(frozen=True, slots=True)
class Known:
    """A command: who carries it out, its help, and whether it works when the printer does not."""

    call: Callable[[Command], Awaitable[None] | None]
    help: str = ""
    always: bool = False


class Mutex:
    """First in, first out; `busy` counts those who wait, too."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._wanted = 0

    @property
    def busy(self) -> bool:
        """Whether somebody holds it or waits for it."""
        return self._wanted > 0

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Hold it for the block."""
        self._wanted += 1
        try:
            async with self._lock:
                yield
        finally:
            self._wanted -= 1


class Gcode:
    """Takes scripts from everybody and carries them out one after the other.

    `unready` says why nothing works now, '' when it does; `broken` takes what a bug breaks.
    """

    def __init__(self, unready: Callable[[], str], broken: Callable[[str], None]) -> None:
        self._unready = unready
        self._broken = broken
        self.mutex = Mutex()
        self.known: dict[str, Known] = {}
        self.listeners: list[Callable[[str], None]] = []

    def register(
        self,
        name: str,
        call: Callable[[Command], Awaitable[None] | None],
        help_text: str = "",
        *,
        always: bool = False,
    ) -> None:
        """Let `call` carry out the command of this name."""
        self.known[name] = Known(call, help_text, always)

    def respond(self, text: str) -> None:
        """Say a line to everybody who listens."""
        for listener in self.listeners:
            listener(text)

    def inform(self, text: str) -> None:
        """Say something in comments."""
        self.respond("\n".join("// " + line for line in text.strip().split("\n")))

    async def run(self, script: str) -> None:
        """Carry out a script when its turn comes."""
        async with self.mutex.held():
            await self.carry_out(script.split("\n"))

    async def carry_out(self, lines: Iterable[str]) -> None:
        """Carry out lines at once: only for whoever holds the mutex."""
        for line in lines:
            command = self.parsed(line)
            try:
                if not _TRADITIONAL.match(command.name) and command.name in self.known:
                    command.params = _extended(command.line)
                waited = self._handler(command)(command)
                if waited is not None:
                    await waited
            except GcodeError as error:
                self._complain(str(error))
                raise
            except InternalError:
                text = f'Internal error on command:"{command.name}"'
                self._broken(text)
                self._complain(text)
                raise GcodeError(text) from None

    def parsed(self, line: str) -> Command:
        """A line taken apart as Klipper does it."""
        line = line.strip()
        parts = _WORDS.split(line.partition(";")[0].upper())
        if len(parts) > 1 and not parts[0] and parts[1] == "N":  # a line number
            parts = ["", *parts[3:]]
        name = "".join(parts[:3]).strip()
        params = {parts[at]: parts[at + 1].strip() for at in range(1, len(parts) - 1, 2)}
        return Command(name, line, params, self.inform)

    def _handler(self, command: Command) -> Callable[[Command], Awaitable[None] | None]:
        known = self.known.get(command.name)
        unready = self._unready()
        if known is not None and (not unready or known.always):
            return known.call
        if unready and command.name not in {"", "M105", "M21"}:
            raise GcodeError(unready)
        if known is None and command.name[:4] in self.known and command.name[4:5] == " ":
            return self.known[command.name[:4]].call  # M117 and M118 take any text
        return _nothing if command.name in {"", "M105", "M21", "M107"} else self._unknown

    def _unknown(self, command: Command) -> None:
        heats_nothing = command.name in {"M140", "M104"} and not command.number("S", 0.0)
        if not heats_nothing:
            self.inform(f'Unknown command:"{command.name}"')

    def _complain(self, text: str) -> None:
        lines = text.strip().split("\n")
        if len(lines) > 1:
            self.inform("\n".join(lines))
        self.respond(f"!! {lines[0].strip()}")


def _nothing(_: Command) -> None:
    """A command that does nothing."""


def _extended(line: str) -> dict[str, str]:
    found = _EXTENDED.match(line)
    if found is None:
        raise GcodeError(f"Malformed command '{line}'")
    words = shlex.shlex(found["args"], posix=True)
    words.whitespace_split = True
    words.commenters = "#;"
    try:
        pairs = [word.split("=", 1) for word in words]
        return {name.upper(): value for name, value in pairs}
    except ValueError:
        raise GcodeError(f"Malformed command '{line}'") from None


class Macros:
    """`[gcode_macro NAME]`: scripts under a name, with `{rawparams}` and `{params.NAME}`."""

    def __init__(self, gcode: Gcode) -> None:
        self._gcode = gcode
        self._depth = 0
        self._covered: dict[str, str] = {}
        self.scripts: dict[str, str] = {}

    def add(self, name: str, script: str, rename_existing: str = "") -> None:
        """Define a macro; `rename_existing` keeps what it covers under another name."""
        name = name.upper()
        if rename_existing and name in self._gcode.known and name not in self.scripts:
            self._gcode.known[rename_existing] = self._gcode.known[name]
            self._covered[name] = rename_existing
        self.scripts[name] = script
        self._gcode.register(name, self._run, "G-Code macro")

    def remove(self, name: str) -> None:
        """Forget a macro; what it covered has its name again."""
        if self.scripts.pop(name, None) is not None:
            del self._gcode.known[name]
            if covered := self._covered.pop(name, ""):
                self._gcode.known[name] = self._gcode.known.pop(covered)

    async def _run(self, command: Command) -> None:
        if self._depth >= MACRO_DEPTH:
            raise GcodeError(f"Macro {command.name} called recursively")
        script = self.scripts[command.name].replace("{rawparams}", command.raw_params)
        for name, value in command.params.items():
            script = script.replace("{params." + name + "}", value)
        self._depth += 1
        try:
            await self._gcode.carry_out(script.split("\n"))
        finally:
            self._depth -= 1
