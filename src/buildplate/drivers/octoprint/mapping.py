"""Turns what an OctoPrint said into readings and evidence: pure functions over plain values.

The host's times are compared with the host's times only, and ours with ours: its clock may be
wrong. What counts as proof is the OctoPrint row of the evidence table in the driver's page.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from buildplate.drivers.octoprint.answers import (
    CANCELLED,
    DONE,
    FAILED,
    JOURNALLED,
    LOCAL,
    RUNNING_PHASES,
    STARTED,
    Heard,
    Job,
    Phase,
    Prints,
    read_prints,
    walk,
)
from buildplate.drivers.sdk import Activity, Ending, Evidence, Run

FACTS_LIMIT = 24


@dataclass(frozen=True, slots=True)
class Baseline:
    """How things stood when the intent was made; stored with it as plain JSON."""

    epoch: str
    seq: int
    marks: frozenset[float]
    idle: bool
    prints: Prints | None

    def dump(self) -> dict[str, Any]:
        """As plain JSON."""
        prints = self.prints
        return {
            "epoch": self.epoch,
            "seq": self.seq,
            "marks": sorted(self.marks),
            "idle": self.idle,
            "prints": None if prints is None else [prints.successes, prints.failures],
        }

    @classmethod
    def load(cls, stored: Mapping[str, Any]) -> Baseline:
        """From what `dump` made; anything else proves nothing, and gives an empty baseline."""
        prints = stored.get("prints")
        try:
            return cls(
                epoch=str(stored["epoch"]),
                seq=int(stored["seq"]),
                marks=frozenset(float(mark) for mark in stored["marks"]),
                idle=stored["idle"] is True,
                prints=None if prints is None else Prints(int(prints[0]), int(prints[1])),
            )
        except (KeyError, TypeError, ValueError, IndexError):
            return cls("", 0, frozenset(), idle=False, prints=None)


@dataclass(frozen=True, slots=True)
class Sight:
    """All that one look has read.

    `jobs` are the reads of /api/job in their order. `ready` is the word of /api/printer: None where
    the host says that the printer is not operational. `stored` tells whether our file is there
    (None: not asked, as it runs), `removed` whether the socket told of its removal.
    `unbroken`: the push socket has been held since the baseline. `proven`: after the other reads
    it was shown to have delivered all that was sent. `heard` and `marks` are of that socket.
    """

    jobs: Sequence[Job]
    ready: bool | None = None
    stored: bool | None = None
    removed: bool = False
    prints: Prints | None = None
    unbroken: bool = False
    proven: bool = False
    heard: Sequence[Heard] = ()
    marks: frozenset[float] = frozenset()


def baseline(sight: Sight, epoch: str, seq: int, *, asked: bool) -> Baseline:
    """What an intent made on this look would store; `asked`: the file's history was asked for."""
    known = asked and sight.stored is not None
    prints = (sight.prints if sight.stored else Prints()) if known else None
    idle = bool(sight.ready) and all(job.phase is Phase.IDLE for job in sight.jobs)
    return Baseline(epoch, seq, sight.marks, idle=idle, prints=prints)


def activity(sight: Sight, ours: str | None) -> tuple[Activity, str]:
    """What the machine does, with a word for people. `ours` is the path an intent was made for."""
    job = sight.jobs[-1]
    phase = job.phase
    if phase is Phase.HALTED:
        hint = "OctoPrint is not connected to its printer; connect it on OctoPrint's page"
        return Activity.HALTED, f"{job.text}: {job.error}" if job.error else hint
    if not _steady(sight):
        return Activity.BUSY, "changing its state"
    if phase is Phase.IDLE:
        return (Activity.IDLE, "") if sight.ready else (Activity.BUSY, "becoming operational")
    if phase is Phase.CHANGING:
        return Activity.BUSY, job.text[:100]
    if job.path is None:
        return Activity.BUSY, f"{job.text}, but of no file"
    if ours is None or not job.runs(ours):
        return Activity.FOREIGN, job.text
    return (Activity.PAUSED if phase is Phase.PAUSED else Activity.OURS), job.text


def _steady(sight: Sight) -> bool:
    """Whether all reads agree on what goes on: nothing of the sort, or a run of one file."""
    job = sight.jobs[-1]
    if job.phase in RUNNING_PHASES:
        return all(one.phase in RUNNING_PHASES and one.path == job.path for one in sight.jobs)
    return all(one.phase is job.phase for one in sight.jobs)


def is_run(job: Job) -> bool:
    """Whether the host shows some file in print."""
    return job.phase in RUNNING_PHASES


def is_still(sight: Sight, path: str) -> bool:
    """Whether no read shows our file in print, so that only the channel can tell if it ever was."""
    return not any(job.runs(path) for job in sight.jobs)


def _all_run(sight: Sight, path: str | None) -> bool:
    return path is not None and all(job.runs(path) for job in sight.jobs)


def evidence(path: str, baseline: Baseline | None, sight: Sight) -> Evidence:
    """What the printer says about our file since the intent whose baseline this is."""
    run = RUNNING_PHASES[sight.jobs[-1].phase] if _all_run(sight, path) else Run.NONE
    if baseline is None or not baseline.idle:
        return Evidence(run=run, began_since=False, facts=_facts(sight, path, baseline))
    ending, reason = _ending(path, baseline, sight)
    return Evidence(
        run=run,
        ending=ending,
        reason=reason,
        doubt=_doubt(path, baseline, sight, run, ending),
        silent=_silent(path, baseline, sight, run),
        others_ran=_others_ran(path, baseline, sight),
        current=sight.jobs[-1].path == path and sight.jobs[-1].origin == LOCAL,
        facts=_facts(sight, path, baseline),
    )


def _ours(path: str, sight: Sight, *kinds: str) -> list[Heard]:
    return [one for one in sight.heard if one.path == path and one.kind in kinds]


def _ending(path: str, baseline: Baseline, sight: Sight) -> tuple[Ending | None, str]:
    """How a run of our file ended; a completion anywhere outweighs every failure."""
    if any(one.time is not None for one in _ours(path, sight, DONE)):
        return Ending.COMPLETED, "the printer reported it done"
    successes, failures = _grown(baseline, sight)
    prints = sight.prints
    if successes and prints is not None and prints.last_success and prints.last_time is not None:
        return Ending.COMPLETED, "the printer's history has it as printed"
    failed = _ours(path, sight, FAILED, CANCELLED)
    if failed:
        why = next((one.reason for one in reversed(failed) if one.reason), "")
        said = f"the printer reported it failed: {why}" if why else "the printer reported it failed"
        return Ending.FAILED, "it was cancelled on the printer" if why == "cancelled" else said
    if failures:
        return Ending.FAILED, "the printer's history has it as failed"
    return None, ""


def _grown(baseline: Baseline, sight: Sight) -> tuple[int, int]:
    """By how much our file's history has grown; nothing where either end is not known."""
    if baseline.prints is None or sight.prints is None:
        return 0, 0
    return (
        sight.prints.successes - baseline.prints.successes,
        sight.prints.failures - baseline.prints.failures,
    )


def _doubt(
    path: str, baseline: Baseline, sight: Sight, run: Run, ending: Ending | None
) -> str | None:
    """The contradiction that only a person can settle, if there is one."""
    if (
        run is Run.NONE
        and ending is not Ending.COMPLETED
        and _claims_completion(path, baseline, sight)
    ):
        return (
            "the printer calls it completed without a print time, so nobody knows what it printed"
        )
    if not sight.unbroken:
        return None
    starts = [one for one in sight.heard if one.kind == STARTED]
    if run is not Run.NONE:
        return _doubt_run(path, starts, proven=sight.proven)
    if not _open_start(path, sight):
        return _doubt_silence(path, starts, ending)
    job = sight.jobs[-1]
    if job.phase in RUNNING_PHASES:
        shown = f"shows {job.path} running" if job.path else "prints no file"
        return f"the printer announced the start of our file, but {shown}"
    if job.phase is Phase.IDLE and sight.proven:
        return "the printer announced the start of our file, but it neither runs nor ended"
    return None


def _doubt_silence(path: str, starts: Sequence[Heard], ending: Ending | None) -> str | None:
    """Another print spoils the proof that ours never ran: both share the host's one start flag."""
    others = [one.path for one in starts if one.path != path]
    if not others or len(others) < len(starts) or ending is not None:
        return None
    return f"another print ({others[-1]}) started there since, so nobody can tell whether ours did"


def _doubt_run(path: str, starts: Sequence[Heard], *, proven: bool) -> str | None:
    if not any(one.path == path for one in starts):
        if not proven:
            return "the printer shows our file running, but its announcements were not heard yet"
        return "the printer shows our file running, but never announced its start"
    if starts[-1].path != path:
        return f"the printer announced the start of {starts[-1].path}, but shows our file running"
    return None


def _claims_completion(path: str, baseline: Baseline, sight: Sight) -> bool:
    return bool(_ours(path, sight, DONE)) or _grown(baseline, sight)[0] > 0


def _open_start(path: str, sight: Sight) -> bool:
    """Whether the last thing heard of our file is that it started."""
    ours = _ours(path, sight, *JOURNALLED)
    return bool(ours) and ours[-1].kind == STARTED


def _silent(path: str, baseline: Baseline, sight: Sight, run: Run) -> bool:
    """The proof that our file never ran: an unbroken channel on which no print at all was heard.

    Other prints spoil it too: hosts were seen to announce one file and to print another. Events
    pass through one queue in the host, so after the delete its own event shows that no earlier one
    is still waiting there.
    """
    held = sight.unbroken and sight.proven and run is Run.NONE
    if not held or sight.heard or sight.marks - baseline.marks:
        return False
    if any(job.runs(path) for job in sight.jobs) or _grown(baseline, sight) != (0, 0):
        return False
    job = sight.jobs[-1]
    nameless = job.phase in RUNNING_PHASES and job.path is None
    unlinked = job.path == path and job.origin == LOCAL and not sight.stored
    heard_to_the_end = sight.stored or sight.removed
    return heard_to_the_end and not nameless and not unlinked


def _others_ran(path: str, baseline: Baseline, sight: Sight) -> bool:
    """True unless it is known that no other file ran since the intent."""
    if not sight.unbroken or any(one.path != path for one in sight.heard):
        return True
    fresh = len(sight.marks - baseline.marks)
    return fresh > len(_ours(path, sight, STARTED)) or _runs_other(path, sight)


def _runs_other(path: str, sight: Sight) -> bool:
    return any(job.phase in RUNNING_PHASES and not job.runs(path) for job in sight.jobs)


def _facts(sight: Sight, path: str, baseline: Baseline | None) -> dict[str, Any]:
    """What the evidence was made of, for people and for the record."""
    prints = sight.prints
    return {
        "states": [job.text for job in sight.jobs],
        "file": sight.jobs[-1].path,
        "stored": sight.stored,
        "prints": None
        if prints is None
        else {
            "success": prints.successes,
            "failure": prints.failures,
            "last": prints.last_success,
            "seconds": prints.last_time,
        },
        "unbroken": sight.unbroken,
        "events": [
            {"event": one.kind, "ours": one.path == path, "seconds": one.time, "why": one.reason}
            for one in sight.heard[-FACTS_LIMIT:]
        ],
        "new_markings": 0 if baseline is None else len(sight.marks - baseline.marks),
    }


def fingerprint(job: Job, entries: object) -> str:
    """A digest of everything the host keeps across a restart of ours.

    Current file, class of its state, and the history of every file that was ever printed. Files
    that never were, and the host's clock, make no difference.
    """
    printed = sorted(
        [entry["path"], prints.successes, prints.failures, prints.last_success, prints.last_time]
        for entry in walk(entries)
        if (prints := read_prints(entry)) != Prints()
    )
    kept = [job.path, job.origin, job.phase.value, printed]
    return hashlib.sha256(orjson.dumps(kept)).hexdigest()
