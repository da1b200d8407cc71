"""Turns what a Moonraker said into readings and evidence: pure functions over plain values.

The host's times are compared with the host's times only, and ours with ours: its clock may be
wrong. What counts as proof is the Moonraker row of the evidence table in the driver's page.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from buildplate.drivers.moonraker.answers import (
    ENDED,
    RUNNING,
    Klippy,
    Row,
    State,
    Stats,
    same,
)
from buildplate.drivers.sdk import Activity, Ending, Evidence, Run

FACTS_LIMIT = 24

RAN, SAW_END, LISTED, ANSWERED = "ran", "ended", "listed", "answered"
"""What the channel notes: a run begins, it ends, the history has it, a late answer to a start."""

FAILED_ROWS = {
    "cancelled": "it was cancelled on the printer",
    "error": "the printer reported an error in it",
    "klippy_shutdown": "Klipper shut down in the middle of it",
    "klippy_disconnect": "Klipper went away in the middle of it",
}
LOST_ROWS = frozenset({"interrupted", "server_exit"})
"""Moonraker itself went away in the middle: the print may have gone on."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One thing the subscription told of a print; `path` as the host named the file."""

    seq: int
    kind: str
    path: str
    word: str = ""


@dataclass(frozen=True, slots=True)
class Baseline:
    """How things stood when the intent was made; stored with it as plain JSON.

    `ripe`: the subscription had been held long enough to vouch for what did not happen. `last` is
    the newest job of the history (None: it had none), `rows` are the jobs of our own file that it
    held already. `stats` is the print that Klipper knew: file, state, seconds.
    """

    epoch: str
    seq: int
    process: str
    idle: bool
    ripe: bool
    last: int | None = None
    rows: frozenset[str] = frozenset()
    stats: tuple[str, str, float] = ("", "standby", 0.0)
    since: float = 0.0
    listed: bool = False

    def dump(self) -> dict[str, Any]:
        """As plain JSON."""
        return {
            "epoch": self.epoch,
            "seq": self.seq,
            "process": self.process,
            "idle": self.idle,
            "ripe": self.ripe,
            "last": self.last,
            "rows": sorted(self.rows),
            "stats": list(self.stats),
            "since": self.since,
            "listed": self.listed,
        }

    @classmethod
    def load(cls, stored: Mapping[str, Any]) -> Baseline:
        """From what `dump` made; anything else proves nothing, and gives an empty baseline."""
        try:
            path, state, total = stored["stats"]
            return cls(
                epoch=str(stored["epoch"]),
                seq=int(stored["seq"]),
                process=str(stored["process"]),
                idle=stored["idle"] is True,
                ripe=stored["ripe"] is True,
                last=None if stored["last"] is None else int(stored["last"]),
                rows=frozenset(str(row) for row in stored["rows"]),
                stats=(str(path), str(state), float(total)),
                since=float(stored["since"]),
                listed=stored["listed"] is True,
            )
        except (KeyError, TypeError, ValueError):
            return cls("", 0, "", idle=False, ripe=False)


@dataclass(frozen=True, slots=True)
class Sight:
    """All that one look has read.

    `stats` is None where Klippy does not say. `rows` are jobs of the history, newest first, None
    where they were not asked for; `reaches`: they go back to the newest one that the baseline knew.
    `unbroken`: the subscription, and Klippy's process, are those of the baseline. `heard` is what
    it told since then.
    """

    klippy: Klippy
    words: str = ""
    stats: Stats | None = None
    working: bool | None = None
    progress: float | None = None
    rows: Sequence[Row] | None = None
    reaches: bool = False
    unbroken: bool = False
    heard: Sequence[Heard] = ()

    @property
    def ready(self) -> bool:
        """Whether Klippy runs, and says what it prints."""
        return self.klippy is Klippy.READY and self.stats is not None

    @property
    def current(self) -> Stats:
        """The print that a ready Klippy knows, else none: what it says then means nothing."""
        return self.stats if self.ready and self.stats is not None else Stats()

    def runs(self, path: str) -> bool:
        """Whether a ready Klippy prints this file, or holds it paused."""
        return self.current.state in RUNNING and self.current.of(path)

    def others_run(self, path: str) -> bool:
        """Whether a ready Klippy prints another file, or one without a name."""
        return self.current.state in RUNNING and not self.current.of(path)


@dataclass(frozen=True, slots=True)
class Held:
    """The channel at the moment of a look: what an intent on it would rely on."""

    epoch: str
    seq: int
    process: str
    ripe: bool
    since: float


def baseline(sight: Sight, held: Held, path: str | None) -> Baseline:
    """What an intent made on this look would store; `path` is the file it would be for."""
    rows = sight.rows or ()
    stats = sight.current
    return Baseline(
        held.epoch,
        held.seq,
        held.process,
        idle=is_idle(sight),
        ripe=held.ripe,
        last=max((row.number for row in rows), default=None),
        rows=frozenset(row.key for row in rows if path is not None and same(row.path, path)),
        stats=(stats.path, stats.state.value, stats.total_s),
        since=held.since,
        listed=sight.rows is not None,
    )


def is_idle(sight: Sight) -> bool:
    """Whether nothing prints and nothing moves, as far as Klippy says."""
    still = sight.current.state not in RUNNING and sight.current.state is not State.OTHER
    return sight.ready and still and not sight.working


# --- what the machine does ----------------------------------------------------------------------


def activity(sight: Sight, ours: str | None, *, ripe: bool = True) -> tuple[Activity, str]:
    """What the machine does, with a word for people. `ours` is the path an intent was made for.

    A machine that would be idle is busy until the subscription is `ripe`: no print is to be given
    to it that could not be started.
    """
    if sight.klippy is not Klippy.READY:
        return _without_klippy(sight)
    if sight.stats is None:
        return Activity.UNKNOWN, "Klipper has no [virtual_sdcard], so it cannot print files"
    stats = sight.stats
    mine = ours is not None and stats.of(ours)
    if stats.state in RUNNING:
        if not mine:
            return Activity.FOREIGN, stats.state
        paused = stats.state is State.PAUSED
        return (Activity.PAUSED if paused else Activity.OURS), stats.state
    if stats.state is State.OTHER:
        return Activity.BUSY, "in a state that this driver does not know"
    if sight.working:
        if mine and stats.state is State.COMPLETE:
            return Activity.OURS, "making its last moves"
        return Activity.BUSY, "moving, or running G-code"
    return (Activity.IDLE, "") if ripe else (Activity.BUSY, "Klipper has just been joined")


def _without_klippy(sight: Sight) -> tuple[Activity, str]:
    match sight.klippy:
        case Klippy.SHUTDOWN | Klippy.ERROR:
            return Activity.HALTED, sight.words or f"Klipper is in state {sight.klippy}"
        case Klippy.STARTUP:
            return Activity.BUSY, sight.words or "Klipper is starting"
        case Klippy.DISCONNECTED:
            return Activity.UNKNOWN, sight.words or "Moonraker has no connection to Klipper"
    return Activity.UNKNOWN, sight.words or "Klipper is in a state that this driver does not know"


# --- evidence ------------------------------------------------------------------------------------


def evidence(path: str, baseline: Baseline | None, sight: Sight) -> Evidence:
    """What the printer says about our file since the intent whose baseline this is."""
    run = _run(path, sight)
    if baseline is None or not baseline.idle:
        return Evidence(run=run, began_since=False, facts=_facts(sight, path, baseline))
    rows = _ours(path, baseline, sight)
    ending, reason = _ending(path, baseline, sight, rows)
    return Evidence(
        run=run,
        ending=ending,
        reason=reason,
        doubt=_doubt(path, baseline, sight, rows, ending),
        silent=_silent(path, baseline, sight, rows),
        others_ran=_others_ran(path, baseline, sight),
        current=sight.current.of(path),
        facts=_facts(sight, path, baseline),
    )


def _run(path: str, sight: Sight) -> Run:
    """`complete` means parsed: while the head still moves, the print still runs."""
    if sight.runs(path):
        return Run.PAUSED if sight.current.state is State.PAUSED else Run.RUNNING
    last_moves = sight.current.of(path) and sight.current.state is State.COMPLETE
    return Run.RUNNING if last_moves and sight.working else Run.NONE


def _ours(path: str, baseline: Baseline, sight: Sight) -> list[Row]:
    """Jobs of our file that the history did not hold at the intent."""
    rows = sight.rows or ()
    return [row for row in rows if same(row.path, path) and row.key not in baseline.rows]


def _is_whole(row: Row) -> bool:
    return row.status == "completed" and row.ended is not None and bool(row.total_s)


def _own_stats(path: str, baseline: Baseline, sight: Sight) -> Stats | None:
    """`print_stats` where it tells of a run of our file since the intent."""
    stats = sight.current
    if not stats.of(path):
        return None
    before = baseline.stats
    as_before = same(before[0], path) and before[1:] == (stats.state.value, stats.total_s)
    return None if as_before else stats


def _ending(
    path: str, baseline: Baseline, sight: Sight, rows: Sequence[Row]
) -> tuple[Ending | None, str]:
    """How a run of our file ended; a completion anywhere outweighs every failure."""
    stats = _own_stats(path, baseline, sight)
    parsed = stats is not None and stats.state is State.COMPLETE and stats.total_s > 0
    if parsed or any(_is_whole(row) for row in rows):
        if not _has_moved(path, sight):
            return None, ""
        return Ending.COMPLETED, "the printer has printed it to its end"
    if sight.runs(path):
        return None, ""
    if stats is not None and stats.state in (State.CANCELLED, State.ERROR):
        said = FAILED_ROWS[stats.state]
        return Ending.FAILED, f"{said}: {stats.message}" if stats.message else said
    if stats is not None and stats.state is State.COMPLETE:
        return None, ""  # parsed, but nothing says that any of it was printed
    failed = next((row for row in rows if row.status in FAILED_ROWS), None)
    if failed is None or any(row.status in LOST_ROWS for row in rows):
        return None, ""
    return Ending.FAILED, FAILED_ROWS[failed.status]


def _has_moved(path: str, sight: Sight) -> bool:
    """Whether what was parsed has been moved: nothing moves, or already another file's lines."""
    return sight.ready and (not sight.working or sight.others_run(path))


def _doubt(
    path: str, baseline: Baseline, sight: Sight, rows: Sequence[Row], ending: Ending | None
) -> str | None:
    """The contradiction that only a person can settle, if there is one."""
    if ending is Ending.COMPLETED or _run(path, sight) is not Run.NONE:
        return None
    if (why := _doubtful_completion(path, baseline, sight, rows)) is not None:
        return why
    if any(row.status in LOST_ROWS for row in rows):
        return "Moonraker went away in the middle of it, so nobody can tell how it ended"
    if ending is None and sight.current.state in RUNNING and not sight.current.path:
        return "the printer prints a file without a name, which may be ours"
    if any(_is_whole(row) for row in rows):
        return None  # its last moves are waited for
    began = any(row.status == "in_progress" for row in rows) or _heard_ours(path, sight)
    halted = sight.klippy in (Klippy.SHUTDOWN, Klippy.ERROR)
    if ending is None and began and (sight.ready or halted):
        return "the printer began our file, but it neither runs nor ended"
    return None


def _doubtful_completion(
    path: str, baseline: Baseline, sight: Sight, rows: Sequence[Row]
) -> str | None:
    stats = _own_stats(path, baseline, sight)
    parsed = stats is not None and stats.state is State.COMPLETE
    if parsed and not (stats and stats.total_s > 0):
        return "the printer calls it complete without any time spent on it"
    whole = any(_is_whole(row) for row in rows)
    if not whole and any(row.status == "completed" for row in rows):
        return "the printer's history has it as completed without any time spent on it"
    if whole and sight.klippy in (Klippy.SHUTDOWN, Klippy.ERROR):
        return "Klipper stopped before its last moves were seen to end"
    return None


def _heard_ours(path: str, sight: Sight) -> bool:
    return any(same(one.path, path) for one in sight.heard)


def _silent(path: str, baseline: Baseline, sight: Sight, rows: Sequence[Row]) -> bool:
    """The proof that our file never ran: an unbroken subscription that never named it.

    What is still queued behind other G-code is the barrier's matter; the machine is busy then.
    """
    held = baseline.ripe and baseline.listed and sight.unbroken and sight.ready and sight.reaches
    if not held or rows or _heard_ours(path, sight) or sight.current.of(path):
        return False
    nameless = sight.current.state in RUNNING and not sight.current.path
    return not nameless and not any(not one.path for one in sight.heard)


def _others_ran(path: str, baseline: Baseline, sight: Sight) -> bool:
    """True unless it is known that no other file ran since the intent."""
    if not sight.unbroken or not baseline.ripe or sight.others_run(path):
        return True
    if any(not same(one.path, path) for one in sight.heard):
        return True
    rows = sight.rows or ()
    return any(is_new(row, baseline.last) and not same(row.path, path) for row in rows)


def is_new(row: Row, last: int | None) -> bool:
    """Whether a job came after the newest one known."""
    return last is None or row.number > last


def _facts(sight: Sight, path: str, baseline: Baseline | None) -> dict[str, Any]:
    """What the evidence was made of, for people and for the record."""
    stats = sight.stats
    known = frozenset() if baseline is None else baseline.rows
    rows = [row for row in sight.rows or () if same(row.path, path) and row.key not in known]
    return {
        "klippy": sight.klippy.value,
        "words": sight.words,
        "state": None if stats is None else stats.state.value,
        "file": None if stats is None else stats.path,
        "seconds": None if stats is None else stats.total_s,
        "working": sight.working,
        "history": [
            {"job": row.number, "status": row.status, "seconds": row.total_s}
            for row in rows[:FACTS_LIMIT]
        ],
        "history_reaches": sight.reaches,
        "unbroken": sight.unbroken,
        "heard": [
            {"what": one.kind, "ours": same(one.path, path), "word": one.word}
            for one in sight.heard[-FACTS_LIMIT:]
        ],
    }


def notice(before: Stats | None, now: Stats) -> list[tuple[str, str, str]]:
    """What a change of `print_stats` tells of prints, as (kind, file, word).

    A print shorter than the host's own interval shows only by another file's name, or by another
    time spent on the same one, in a state that had already ended.
    """
    if before is None or now == before:
        return []
    word = now.state.value
    if now.state in RUNNING:
        fresh = before.state not in RUNNING or now.path != before.path
        return [(RAN, now.path, word)] if fresh else []
    if now.state not in ENDED:
        return []
    if before.state in RUNNING and same(now.path, before.path):
        return [(SAW_END, now.path, word)]
    moved = (now.path, now.state, now.total_s) != (before.path, before.state, before.total_s)
    return [(RAN, now.path, word), (SAW_END, now.path, word)] if moved and now.path else []


def foreign_ran(heard: Sequence[Heard], ours: str | None) -> bool:
    """Whether a print of another file, or of ours without an intent, was heard to begin."""
    return any(
        one.kind in (RAN, LISTED) and (ours is None or not same(one.path, ours)) for one in heard
    )


def fingerprint(sight: Sight, process: str, totals: Mapping[str, Any]) -> str:
    """A digest of everything the host keeps across a restart of ours.

    Klippy's process and its current print, the newest job of the history and its totals. Files that
    never ran make no difference.
    """
    stats = sight.current
    rows = [[row.number, row.status, row.path] for row in (sight.rows or ())[:1]]
    counted = [totals.get("total_jobs"), totals.get("total_time")]
    kept = [process, sight.klippy.value, stats.path, stats.state.value, rows, counted]
    return hashlib.sha256(orjson.dumps(kept)).hexdigest()
