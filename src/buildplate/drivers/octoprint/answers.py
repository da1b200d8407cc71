"""What an OctoPrint's JSON says, as plain values; what is not understood is HostConfused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import Any

import orjson

from buildplate.drivers.sdk import (
    CameraAddress,
    ConsoleLine,
    HostConfused,
    Run,
    Speaker,
    Temperature,
)

MARKS_LIMIT, HEATERS_LIMIT = 1024, 32
CONSOLE_LIMIT, CAMERAS_LIMIT = 50, 16
TEXT_LIMIT = 1000
"""Letters of anything a host says that are kept; paths are shorter."""
LONGEST_S = 365 * 86400.0
LOCAL = "local"


_NUL = ("\\u0000", "\\ufffd")
_NUL_BYTES = (_NUL[0].encode(), _NUL[1].encode())


def read_object(text: str | bytes, what: str) -> dict[str, Any]:
    """The JSON object that `what` sent; HostConfused when it is none.

    A U+0000 in it, as a noisy serial line leaves one in a firmware's error, becomes U+FFFD: not
    every database keeps one.
    """
    kept = text.replace(*_NUL) if isinstance(text, str) else text.replace(*_NUL_BYTES)
    try:
        value = orjson.loads(kept)
    except orjson.JSONDecodeError:
        raise HostConfused(f"{what} something that is no JSON") from None
    if not isinstance(value, dict):
        raise HostConfused(f"{what} JSON of another shape")
    return value


class Phase(StrEnum):
    """What the host's state text amounts to."""

    IDLE = "idle"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPING = "stopping"
    HALTED = "halted"
    CHANGING = "changing"


_PHASES = {
    "Operational": Phase.IDLE,
    "Starting": Phase.RUNNING,
    "Printing": Phase.RUNNING,
    "Pausing": Phase.RUNNING,
    "Resuming": Phase.RUNNING,
    "Finishing": Phase.RUNNING,
    "Starting print from SD": Phase.RUNNING,
    "Printing from SD": Phase.RUNNING,
    "Paused": Phase.PAUSED,
    "Cancelling": Phase.STOPPING,
}
RUNNING_PHASES = {
    Phase.RUNNING: Run.RUNNING,
    Phase.PAUSED: Run.PAUSED,
    Phase.STOPPING: Run.STOPPING,
}

STARTED = "PrintStarted"
DONE = "PrintDone"
FAILED = "PrintFailed"
CANCELLED = "PrintCancelled"
REMOVED = "FileRemoved"
JOURNALLED = frozenset({STARTED, DONE, FAILED, CANCELLED})


@dataclass(frozen=True, slots=True)
class Job:
    """`GET /api/job`: what the host says it does. `progress` is 0-1, `time_left` seconds."""

    text: str
    path: str | None = None
    origin: str | None = None
    progress: float | None = None
    time_left: float | None = None
    error: str = ""

    @property
    def phase(self) -> Phase:
        """What the state's text amounts to."""
        if self.text.startswith(("Offline", "Error", "Closed")):
            return Phase.HALTED
        return _PHASES.get(self.text, Phase.CHANGING)

    def runs(self, path: str) -> bool:
        """Whether this very file of the host's own storage is being printed."""
        return self.phase in RUNNING_PHASES and self.path == path and self.origin == LOCAL


@dataclass(frozen=True, slots=True)
class Prints:
    """A file's print history; `time` (s) is that of its last print, `success` how that ended."""

    successes: int = 0
    failures: int = 0
    last_success: bool | None = None
    last_time: float | None = None


@dataclass(frozen=True, slots=True)
class Heard:
    """One event of the push socket. `at` is our boot-time clock, `time` the print's seconds."""

    seq: int
    at: float
    kind: str
    path: str | None
    time: float | None = None
    reason: str = ""


def read_job(answer: Mapping[str, Any]) -> Job:
    """`GET /api/job`; HostConfused when it is no such answer."""
    text, job, progress = answer.get("state"), answer.get("job"), answer.get("progress")
    if not isinstance(text, str) or not isinstance(job, dict):
        raise HostConfused("the host's word on its job is not understood")
    file = job.get("file")
    file = file if isinstance(file, dict) else {}
    progress = progress if isinstance(progress, dict) else {}
    done = number(progress.get("completion"))
    return Job(
        text=text[:TEXT_LIMIT],
        path=_text(file.get("path")),
        origin=_text(file.get("origin")),
        progress=None if done is None else min(max(done / 100, 0.0), 1.0),
        time_left=seconds(progress.get("printTimeLeft")),
        error=(_text(answer.get("error")) or "").strip()[:300],
    )


def read_ready(answer: Mapping[str, Any]) -> bool:
    """Whether `GET /api/printer` says that the printer does nothing and can be talked to."""
    state = answer.get("state")
    flags = state.get("flags") if isinstance(state, dict) else None
    if not isinstance(flags, dict):
        raise HostConfused("the host's word on its printer is not understood")
    working = ("printing", "paused", "pausing", "resuming", "cancelling", "finishing", "error")
    return flags.get("operational") is True and not any(flags.get(flag) for flag in working)


def read_prints(entry: Mapping[str, Any]) -> Prints:
    """The print history in a file's entry; empty where there is none."""
    prints = entry.get("prints")
    if not isinstance(prints, dict):
        return Prints()
    last = prints.get("last")
    last = last if isinstance(last, dict) else {}
    success = last.get("success")
    return Prints(
        successes=_count(prints.get("success")),
        failures=_count(prints.get("failure")),
        last_success=success if isinstance(success, bool) else None,
        last_time=number(last.get("printTime")),
    )


def read_marks(levels: Mapping[str, Any]) -> frozenset[float] | None:
    """Host times of the print starts marked in a push message; None where it has no markings."""
    marks = levels.get("markings")
    if not isinstance(marks, list):
        return None
    found = [
        time
        for mark in marks
        if isinstance(mark, dict)
        and mark.get("type") == "print"
        and (time := number(mark.get("time"))) is not None
    ]
    return frozenset(sorted(found)[-MARKS_LIMIT:])


def read_event(seq: int, at: float, kind: str, payload: Mapping[str, Any]) -> Heard:
    """One event of a print, as the journal keeps it; a file elsewhere is named with its place."""
    origin, path = payload.get("origin"), _text(payload.get("path"))
    return Heard(
        seq=seq,
        at=at,
        kind=kind,
        path=path if path is None or origin == LOCAL else f"{origin}:{path}",
        time=number(payload.get("time")),
        reason=(_text(payload.get("reason")) or "")[:100],
    )


def read_temperatures(levels: Mapping[str, Any]) -> dict[str, Temperature]:
    """The newest temperatures of a push message (°C)."""
    temps = levels.get("temps")
    if not isinstance(temps, list) or not temps or not isinstance(temps[-1], dict):
        return {}
    return {
        str(name)[:50]: Temperature(actual, number(value.get("target")))
        for name, value in islice(temps[-1].items(), HEATERS_LIMIT)
        if isinstance(value, dict) and (actual := number(value.get("actual"))) is not None
    }


def read_cameras(settings: Mapping[str, Any]) -> list[CameraAddress]:
    """The cameras among the settings; those whose addresses are not told are left out."""
    webcam = settings.get("webcam")
    found = webcam.get("webcams") if isinstance(webcam, dict) else None
    cameras = []
    for one in islice(found if isinstance(found, list) else (), CAMERAS_LIMIT):
        told = one.get("compat") if isinstance(one, dict) else None
        if not isinstance(told, dict):
            continue
        stream, snapshot = _text(told.get("stream")), _text(told.get("snapshot"))
        if stream or snapshot:
            cameras.append(
                CameraAddress(
                    name=_text(one.get("displayName")) or _text(one.get("name")) or "camera",
                    stream=stream or "",
                    snapshot=snapshot or "",
                    rotation=270 if one.get("rotate90") is True else 0,
                    flipped=one.get("flipV") is True,
                    mirrored=one.get("flipH") is True,
                )
            )
    return cameras


def read_console(levels: Mapping[str, Any]) -> list[ConsoleLine]:
    """The newest lines of a push message's log: what was sent, and what the printer said."""
    logs = levels.get("logs")
    if not isinstance(logs, list):
        return []
    return [_console_line(one) for one in logs[-CONSOLE_LIMIT:] if isinstance(one, str)]


def _console_line(text: str) -> ConsoleLine:
    who, _, said = text[:TEXT_LIMIT].partition(": ")
    if who == "Send":
        return ConsoleLine(said, Speaker.SENT)
    said = said if who == "Recv" else text[:TEXT_LIMIT]
    return ConsoleLine(said, error=said.startswith(("Error", "!!")))


def walk(entries: object) -> Iterable[Mapping[str, Any]]:
    """All files of a recursive listing, folders left out."""
    waiting = list(entries) if isinstance(entries, list) else []
    while waiting:
        entry = waiting.pop()
        if not isinstance(entry, dict):
            continue
        children = entry.get("children")
        if entry.get("type") == "folder" or isinstance(children, list):
            waiting.extend(children or [])
        elif isinstance(entry.get("path"), str):
            yield entry


def number(value: object) -> float | None:
    """A JSON number, None for anything else; a bool is none."""
    kind = type(value)
    return float(value) if kind is float or kind is int else None  # type: ignore[arg-type]


def seconds(value: object) -> float | None:
    """A duration in s that a print may take, None for anything else."""
    found = number(value)
    return found if found is not None and 0 <= found <= LONGEST_S else None


def _text(value: object) -> str | None:
    return value[:TEXT_LIMIT] if isinstance(value, str) and value else None


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
