"""What one line of a firmware's answers means, in every dialect that is spoken."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from buildplate.protocols.marlin.reports import (
    Firmware,
    Position,
    Temperatures,
    read_firmware,
    read_position,
    read_temperatures,
)


@dataclass(frozen=True, slots=True)
class Ok:
    """A line was taken. `number`, `planner` and `buffer` are ADVANCED_OK's N, P and B."""

    number: int | None = None
    planner: int | None = None
    buffer: int | None = None


@dataclass(frozen=True, slots=True)
class Resend:
    """The firmware wants the line with this number next."""

    number: int


@dataclass(frozen=True, slots=True)
class Skipped:
    """The firmware has ignored the line with this number: it waits for another one (Repetier)."""

    number: int


@dataclass(frozen=True, slots=True)
class Busy:
    """The firmware works on a line and cannot answer it yet."""

    text: str = ""


@dataclass(frozen=True, slots=True)
class Idle:
    """The firmware has nothing to do and waits for a line (`wait`)."""


@dataclass(frozen=True, slots=True)
class Started:
    """The firmware has just started: everything that was in it is gone."""

    text: str = ""


@dataclass(frozen=True, slots=True)
class Action:
    """Something the printer asks its host to do: `pause`, `resume`, `cancel`, `prompt_begin`..."""

    name: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """An error message; `halted`: the firmware has stopped and takes no more moves."""

    text: str
    halted: bool = False


@dataclass(frozen=True, slots=True)
class CardState:
    """What the firmware says of a print from its own card; `path` where it names it.

    `printing` is None where the line does not say it. `opened`: a file is about to be printed,
    perhaps; the firmware says no more when a person starts one at the display.
    """

    printing: bool | None
    path: str = ""
    done: bool = False
    position: int | None = None
    size: int | None = None
    opened: bool = False


@dataclass(frozen=True, slots=True)
class Ability:
    """One `Cap:` line: what this firmware was built with."""

    name: str
    on: bool


@dataclass(frozen=True, slots=True)
class Said:
    """Anything else, for people to read."""

    text: str


Reply = (
    Ok
    | Resend
    | Skipped
    | Busy
    | Idle
    | Started
    | Action
    | Failure
    | CardState
    | Ability
    | Said
    | Temperatures
    | Position
    | Firmware
)

_ADVANCED = re.compile(r"(?:^|\s)([NPB])\s?(\d{1,10})(?=\s|$)")
_PLAIN_NUMBER = re.compile(r"\s?(\d{1,10})\s*$")
_RESEND = re.compile(r"(?:resend|rs)\s*:?\s*N?\s*(\d{1,10})", re.IGNORECASE)
_SKIP = re.compile(r"skip\s+(\d{1,10})\s*$", re.IGNORECASE)
_ACTION = re.compile(r"//\s*action\s*:\s*(\w+)\s*(.*)", re.IGNORECASE)
_ABILITY = re.compile(r"Cap\s*:\s*(\w{1,60})\s*:\s*([01])", re.IGNORECASE)
_CARD_AT = re.compile(r"SD printing byte\s+(\d{1,15})\s*/\s*(\d{1,15})", re.IGNORECASE)
_CARD_FILE = re.compile(
    r"(?:(file opened|now fresh file|now doing file)|current file)\s*:\s*(\S+)", re.IGNORECASE
)
_STARTS = ("start", "smoothie")
_BANNER = re.compile(r"[^A-Za-z0-9\s]{1,15}start")
_HALTS = (
    "printer halted",
    "kill() called",
    "printer stopped",
    "heating failed",
    "thermal runaway",
    "maxtemp",
    "mintemp",
    "emergency stop",
    "halt state",
    "entering alarm",
    "system stopped",
    "temperature malfunction",
    "m999 required",
)
_PRINTABLE = re.compile(r"[^\t\x20-\x7e\xa0-\uffff]+")


def read_reply(line: bytes) -> tuple[Reply, ...]:
    """Everything that one line of an answer says; never raises, whatever the bytes are."""
    text = _PRINTABLE.sub("", line.decode("utf-8", "replace")).strip()
    if not text:
        return ()
    low = text[:16].lower()
    if low.startswith("ok") and not low[2:3].isalpha():
        return (_ok(text), *_behind_ok(text[2:]))
    return _other(text, low) or _reports(text) or (Said(text),)


def _behind_ok(text: str) -> tuple[Reply, ...]:
    """What stands behind an `ok` on its line: a report, or that the firmware obeyed M112."""
    if not text.strip(" 0123456789NPB"):
        return ()
    low = text.lower()
    if any(word in low for word in _HALTS):
        return (Failure(text.strip(), halted=True),)
    return _reports(text)


def _ok(text: str) -> Ok:
    rest = text[2:]
    if not rest:
        return Ok()
    if plain := _PLAIN_NUMBER.fullmatch(rest):
        return Ok(number=int(plain[1]))
    found = {name: int(value) for name, value in _ADVANCED.findall(rest[:48])}
    return Ok(found.get("N"), found.get("P"), found.get("B"))


def _other(text: str, low: str) -> tuple[Reply, ...]:
    for beginning, read in _READERS:
        if low.startswith(beginning):
            return read(text)
    if low in _STARTS or _is_banner(text):
        return (Started(text),)
    return ()


def _resend(text: str) -> tuple[Reply, ...]:
    asked = _RESEND.match(text)
    return () if asked is None else (Resend(int(asked[1])),)


def _busy(text: str) -> tuple[Reply, ...]:
    return (Busy(text.partition(":")[2].strip()),)


def _wait(text: str) -> tuple[Reply, ...]:
    return (Idle(),) if text.lower() == "wait" else ()


def _skip(text: str) -> tuple[Reply, ...]:
    skipped = _SKIP.match(text)
    return () if skipped is None else (Skipped(int(skipped[1])),)


def _is_banner(text: str) -> bool:
    # A board's first bytes can be noise of the line before its baud rate is set. Letters and blanks
    # are a text for people: a file may have `M118 Print start` said.
    return _BANNER.fullmatch(text) is not None


def _failure(text: str) -> tuple[Reply, ...]:
    low = text.lower()
    halted = low.startswith(("!!", "fatal")) or any(word in low for word in _HALTS)
    return (Failure(text, halted),)


def _action(text: str) -> tuple[Reply, ...]:
    found = _ACTION.match(text)
    if found is None:
        return (Said(text),)
    return (Action(found[1].lower(), found[2].strip()),)


def _echo(echo: str) -> tuple[Reply, ...]:
    text = echo[len("echo:") :].strip()
    low = text.lower()
    if low.startswith("busy"):
        return _busy(text)
    if "resend" in low and (asked := _RESEND.search(text)):
        return (Resend(int(asked[1])),)
    return _card(text) or (Said(text),)


def _reports(text: str) -> tuple[Reply, ...]:
    """Reports that stand alone or behind an `ok`."""
    found: list[Reply] = []
    temperatures = read_temperatures(text)
    if temperatures is not None:
        found.append(temperatures)
    position = read_position(text)
    if position is not None:
        found.append(position)
    if found:
        return tuple(found)
    if "FIRMWARE_NAME" in text:
        return (read_firmware(text),)
    if ability := _ABILITY.match(text.strip()):
        return (Ability(ability[1].upper(), ability[2] == "1"),)
    return _card(text)


def _card(text: str) -> tuple[Reply, ...]:
    low = text.lower()
    if at := _CARD_AT.search(text):
        # Old firmwares say this with a card and no file, too: 0 of 0 bytes.
        size = int(at[2])
        return (CardState(printing=size > 0, position=int(at[1]), size=size),)
    if "not sd printing" in low or "not currently playing" in low:
        return (CardState(printing=False),)
    if "done printing file" in low:
        return (CardState(printing=False, done=True),)
    if named := _CARD_FILE.search(text):
        return (CardState(printing=None, path=named[2], opened=named[1] is not None),)
    if low.startswith("file selected"):
        return (CardState(printing=None, opened=True),)
    return ()


def _request(text: str) -> tuple[Reply, ...]:
    """Repetier's own words for what others say with `//action:`."""
    word, _, rest = text.partition(":")
    name = _REQUESTS.get(word.lower())
    return () if name is None else (Action(name, rest.strip()),)


_REQUESTS = {
    "requestpause": "pause",
    "requestcontinue": "resume",
    "requeststop": "cancel",
    "requestdisconnect": "disconnect",
}
_READERS: tuple[tuple[tuple[str, ...], Callable[[str], tuple[Reply, ...]]], ...] = (
    (("rs", "resend"), _resend),
    (("//",), _action),
    (("echo:",), _echo),
    (("busy",), _busy),
    (("wait",), _wait),
    (("skip",), _skip),
    (("request",), _request),
    (("error", "fatal", "!!", "halt"), _failure),
)
"""Beginnings of lines in lower case, and who reads a line that has one."""
