"""What a Moonraker's JSON says, as plain values; what is not understood is HostConfused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from itertools import islice
from typing import Any

from buildplate.drivers.sdk import HostConfused

TEXT_LIMIT = 1000
"""Letters of anything a host says that are kept; paths are shorter."""

OBJECTS_LIMIT, NAME_LIMIT = 5000, 200
"""Objects of Klippy that are known, and letters of the name of one."""

KINDS_KEPT, SHARED_LIMIT = 256, 300
"""Kinds of machines whose objects are kept once for all of a kind, and objects of one that are."""

LONGEST_S, A_WEEK_S = 365 * 86400.0, 7 * 86400.0
ID_DIGITS = 15

FEW = 16
"""Numbers or words of one field that are kept."""

ENOUGH = 0.05
"""Share of a file from which on the time so far says something about the rest."""


class Klippy(StrEnum):
    """The state of Klippy, which outranks everything that its objects say."""

    READY = "ready"
    STARTUP = "startup"
    SHUTDOWN = "shutdown"
    ERROR = "error"
    DISCONNECTED = "disconnected"
    OTHER = "other"


class State(StrEnum):
    """`print_stats.state`; OTHER is a word that this driver does not know."""

    STANDBY = "standby"
    PRINTING = "printing"
    PAUSED = "paused"
    COMPLETE = "complete"
    CANCELLED = "cancelled"
    ERROR = "error"
    OTHER = "other"


_KLIPPYS = {state.value: state for state in Klippy}
_STATES = {state.value: state for state in State}
RUNNING = frozenset({State.PRINTING, State.PAUSED})
_SHOWN = RUNNING | {State.COMPLETE}
ENDED = frozenset({State.COMPLETE, State.CANCELLED, State.ERROR})


GROWING = frozenset({"total_duration", "print_duration", "info"})
"""Fields of `print_stats` that change all the time in a print, and tell nothing of its state."""


@dataclass(frozen=True, slots=True)
class Stats:
    """`print_stats`: the current file, what became of it, and for how long (s, with pauses)."""

    state: State = State.STANDBY
    path: str = ""
    total_s: float = 0.0
    print_s: float = 0.0
    message: str = ""

    def of(self, path: str) -> bool:
        """Whether this file is the current one, in any state but standby."""
        return self.state is not State.STANDBY and same(self.path, path)


@dataclass(frozen=True, slots=True)
class Row:
    """One job of Moonraker's history; times in s of the host's clock, None where there is none."""

    number: int
    path: str
    status: str
    begun: float | None = None
    ended: float | None = None
    total_s: float | None = None

    @property
    def key(self) -> str:
        """What tells it from every other row: ids are given again when rows are deleted."""
        return f"{self.number}@{self.begun}"


def same(one: str, other: str) -> bool:
    """Whether two names are one file to Klipper, which looks case aside."""
    return bool(one) and one.lstrip("/").casefold() == other.lstrip("/").casefold()


def read_klippy(webhooks: Mapping[str, Any]) -> tuple[Klippy, str]:
    """Klippy's state and its own words on it."""
    said = text(webhooks.get("state"))
    state = _KLIPPYS.get(said, Klippy.OTHER)
    return state, " ".join(text(webhooks.get("state_message"), 500).split())


def read_stats(found: Mapping[str, Any]) -> Stats | None:
    """`print_stats`; None where the machine has none. HostConfused when it is something else."""
    stats = found.get("print_stats")
    if stats is None or stats == {}:
        return None
    if not isinstance(stats, dict) or not isinstance(stats.get("state"), str):
        raise HostConfused("the host's word on its print is not understood")
    said = stats["state"]
    return Stats(
        state=_STATES.get(said, State.OTHER),
        path=text(stats.get("filename")),
        total_s=seconds(stats.get("total_duration")) or 0.0,
        print_s=seconds(stats.get("print_duration")) or 0.0,
        message=text(stats.get("message"), 300).strip(),
    )


def read_working(found: Mapping[str, Any]) -> bool | None:
    """Whether the head moves or G-code runs; None where the machine does not say.

    `idle_timeout` says so while the queue of G-code is held and until the last planned move is
    made. Without it the planner's times (s) do.
    """
    idle = _mapping(found.get("idle_timeout")).get("state")
    if isinstance(idle, str):
        return idle == "Printing"
    head = _mapping(found.get("toolhead"))
    planned, passed = number(head.get("print_time")), number(head.get("estimated_print_time"))
    return None if planned is None or passed is None else planned > passed


def read_progress(found: Mapping[str, Any], stats: Stats | None) -> float | None:
    """How far the file in print has been read, 0-1; None where none is."""
    if stats is None or stats.state not in _SHOWN:
        return None
    done = number(_mapping(found.get("virtual_sdcard")).get("progress"))
    return done if done is None or 0.0 <= done <= 1.0 else min(max(done, 0.0), 1.0)


def read_pace(found: Mapping[str, Any], stats: Stats | None) -> tuple[float | None, float | None]:
    """Progress (0-1) and the seconds left, by the time that `found` has been printing."""
    if stats is None or stats.state not in _SHOWN:
        return None, None
    try:
        done, took = found["virtual_sdcard"]["progress"], found["print_stats"]["print_duration"]
        if type(done) is type(took) is float and ENOUGH <= done < 1 and 0 < took <= A_WEEK_S:
            return done, took * (1 - done) / done if stats.state in RUNNING else None
    except (KeyError, TypeError):
        pass
    done = read_progress(found, stats)
    if done is None or done < ENOUGH:
        return done, None
    return done, read_time_left(stats, done, read_print_s(found))


def read_print_s(found: Mapping[str, Any]) -> float:
    """Seconds that the current print has printed, without pauses."""
    return seconds(_mapping(found.get("print_stats")).get("print_duration")) or 0.0


def read_time_left(
    stats: Stats | None, done: float | None, print_s: float | None = None
) -> float | None:
    """Seconds that the rest would take at the pace so far; None where too little is done.

    `print_s`: what has been printed by now, where that is newer than `stats`.
    """
    if stats is None or done is None or done < ENOUGH or stats.state not in RUNNING:
        return None
    return seconds((stats.print_s if print_s is None else print_s) * (1 - done) / done) or None


def read_rows(answer: object) -> tuple[Row, ...]:
    """`server.history.list`, newest first; HostConfused when it is none."""
    jobs = answer.get("jobs") if isinstance(answer, dict) else None
    if not isinstance(jobs, list):
        raise HostConfused("the host's history is not understood")
    return tuple(read_row(job) for job in jobs)


def read_row(job: object) -> Row:
    """One job of the history; HostConfused when it is none."""
    job = _mapping(job)
    said, status, path = job.get("job_id"), job.get("status"), job.get("filename")
    if not isinstance(status, str) or not isinstance(path, str):
        raise HostConfused("a job of the host's history is not understood")
    return Row(
        number=_job_number(said),
        path=path[:TEXT_LIMIT],
        status=status[:50],
        begun=number(job.get("start_time")),
        ended=number(job.get("end_time")),
        total_s=seconds(job.get("total_duration")),
    )


def _job_number(said: object) -> int:
    """Job ids are hexadecimal numbers in a text (older ones, too)."""
    if isinstance(said, str) and 0 < len(said) <= ID_DIGITS:
        try:
            return int(said, 16)
        except ValueError:
            pass
    raise HostConfused("a job's number in the host's history is not understood")


def read_process(info: Mapping[str, Any]) -> str:
    """What tells one process of Klippy from another: its number, "" where it has none."""
    found = info.get("process_id")
    return str(found) if isinstance(found, int) and not isinstance(found, bool) else ""


def read_files(answer: object) -> tuple[list[str], float | None]:
    """Names in a folder, and the bytes free on its disk; HostConfused when it is no listing."""
    files = answer.get("files") if isinstance(answer, dict) else None
    if not isinstance(answer, dict) or not isinstance(files, list):
        raise HostConfused("the host's list of files is not understood")
    names = [
        name
        for entry in files
        if isinstance(entry, dict) and isinstance(name := entry.get("filename"), str)
    ]
    return names, number(_mapping(answer.get("disk_usage")).get("free"))


def read_objects(answer: object) -> frozenset[str]:
    """The names of what Klippy can be asked for; HostConfused when it is no such list."""
    names = answer.get("objects") if isinstance(answer, dict) else None
    if not isinstance(names, list):
        raise HostConfused("the host's list of printer objects is not understood")
    found = (name for name in islice(names, OBJECTS_LIMIT) if isinstance(name, str))
    objects = frozenset(name for name in found if len(name) <= NAME_LIMIT)
    return _shared(objects) if len(objects) <= SHARED_LIMIT else objects


@lru_cache(KINDS_KEPT)
def _shared(objects: frozenset[str]) -> frozenset[str]:
    """The same names as were told before: machines of one kind need them once."""
    return objects


def read_status(answer: object) -> Mapping[str, Any]:
    """What Klippy's objects say, by name; HostConfused when it is no such answer."""
    found = answer.get("status") if isinstance(answer, dict) else None
    if not isinstance(found, dict):
        raise HostConfused("the host's word on its printer is not understood")
    return found


def other_starters(config: object) -> list[str]:
    """Warnings of what else starts prints on a host, by its own configuration."""
    parts = _mapping(_mapping(config).get("config"))
    queue = _mapping(parts.get("job_queue"))
    found = []
    if queue.get("automatic_transition") is True or queue.get("load_on_startup") is True:
        found.append("Moonraker's own job queue starts prints on this host too")
    if "simplyprint" in parts:
        found.append("SimplyPrint starts prints on this host too")
    return found


def object_of(answer: object, what: str) -> dict[str, Any]:
    """An answer that must be a JSON object; HostConfused when it is none."""
    if not isinstance(answer, dict):
        raise HostConfused(f"the host's word on {what} is not understood")
    return answer


def number(value: object) -> float | None:
    """A JSON number, None for anything else; a bool is none."""
    kind = type(value)
    return float(value) if kind is float or kind is int else None  # type: ignore[arg-type]


def seconds(value: object) -> float | None:
    """A duration in s that a print may take, None for anything else."""
    found = number(value)
    return found if found is not None and 0 <= found <= LONGEST_S else None


def numbers(value: object, least: int) -> Sequence[float] | None:
    """A list of at least so many numbers, None for anything else."""
    if not isinstance(value, list) or not least <= len(value) <= TEXT_LIMIT:
        return None
    if _NUMBERS.issuperset(map(type, value)):
        return list(map(float, value))
    return None


_NUMBERS = frozenset({float, int})
SCALARS = frozenset({float, int, bool})


def plain(value: object) -> Any:
    """What is kept of a field: a number, a word, or a few of them; None for anything else."""
    if value is None or type(value) in SCALARS:
        return value
    if isinstance(value, str):
        return value[:TEXT_LIMIT]
    if isinstance(value, list):
        if len(value) <= FEW and SCALARS.issuperset(map(type, value)):
            return value
        return [_scalar(one) for one in value[:FEW]]
    if isinstance(value, dict):
        return {key[:TEXT_LIMIT]: _scalar(value[key]) for key in islice(value, FEW)}
    return _scalar(value)


def _scalar(value: object) -> float | bool | str | None:
    if isinstance(value, str):
        return value[:TEXT_LIMIT]
    return value if isinstance(value, (bool, int, float)) else None


def text(value: object, limit: int = TEXT_LIMIT) -> str:
    """A text, cut to so many letters; "" for anything else."""
    return value[:limit] if isinstance(value, str) else ""


def items(value: object, limit: int) -> Iterable[Mapping[str, Any]]:
    """The JSON objects in a list, so many at most."""
    entries = value if isinstance(value, list) else []
    return (entry for entry in islice(entries, limit) if isinstance(entry, dict))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
