"""What a streaming driver must find again after a crash: which runs began, and how far they came.

Two files in a folder of the printer's own. `runs.jsonl` is appended to and fsynced at each step
of a run: begun, finishing, ended. `line` is a mapped page that holds the number of the last line
accepted and whether the last moves were written: a killed process leaves it behind, a power cut may
not. So it counts only while the machine has not been started anew since.
"""

from __future__ import annotations

import json
import mmap
import os
import secrets
import struct
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from threading import Lock
from typing import Any

KEPT_RUNS = 500
_LINE = struct.Struct("<QQ")
_TAIL = struct.Struct("<QQ")
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_PAGE = 4096


class Step(StrEnum):
    """How far a run has come. From FINISHING on it may complete without us."""

    BEGUN = "begun"
    FINISHING = "finishing"
    ENDED = "ended"


class Outcome(StrEnum):
    """How a run ended. DOUBT: perhaps to its end, only a person can tell."""

    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    DOUBT = "doubt"


@dataclass(frozen=True, slots=True)
class RunNote:
    """One run: `run` numbers grow by one, `line` is the last accepted line of the file.

    `ours` is False for a run that was not streamed by us. `cooled`: the heaters were switched off
    after a run that did not do it by itself. `boot`: the life of this machine that it began in.
    """

    run: int
    path: str
    step: Step = Step.BEGUN
    outcome: Outcome | None = None
    reason: str = ""
    line: int = 0
    ours: bool = True
    cooled: bool = True
    boot: str = ""


class Notes:
    """The runs of one printer. `store` names this memory; without a folder it dies with us."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._journal = -1
        self._torn = False
        self._writing = Lock()
        self._page: mmap.mmap | None = None
        self.store = secrets.token_hex(8)
        self.runs: dict[int, RunNote] = {}
        self.baud = 0
        if folder is not None:
            self._open(folder)

    @property
    def last_run(self) -> int:
        """The number of the newest run; 0 before the first."""
        return max(self.runs, default=0)

    @property
    def hot(self) -> bool:
        """Whether the last of our runs may have left heaters on."""
        return any(not note.cooled for note in self.runs.values())

    def of(self, path: str, since: int) -> list[RunNote]:
        """Our runs of a file after run number `since`, oldest first."""
        return [n for n in self.runs.values() if n.run > since and n.path == path and n.ours]

    def others(self, path: str, since: int) -> bool:
        """Whether another file, or anything that was not ours, ran after run number `since`."""
        return any(
            note.run > since and (note.path != path or not note.ours) for note in self.runs.values()
        )

    # --- steps of a run --------------------------------------------------------------------------

    def begin(self, path: str) -> RunNote:
        """A run begins: durable when this returns, so it comes before its first line; OSError."""
        return self._put(RunNote(self.last_run + 1, path, cooled=False, boot=_boot()))

    def foreign(self, path: str) -> RunNote:
        """A print was seen that we did not stream."""
        return self._put(
            RunNote(self.last_run + 1, path, Step.ENDED, Outcome.COMPLETED, ours=False)
        )

    def finishing(self, run: int) -> None:
        """The last moves of a run will soon be written: durable when this returns."""
        self._put(replace(self.runs[run], step=Step.FINISHING))

    def tail(self, run: int) -> None:
        """The last moves of a run are about to be written; `finishing` was durable before."""
        if self._page is not None:
            _TAIL.pack_into(self._page, _LINE.size, run, 1)

    def ended(self, run: int, outcome: Outcome, reason: str, line: int, *, cooled: bool) -> None:
        """A run has ended: durable when this returns."""
        note = self.runs[run]
        self._put(
            replace(note, step=Step.ENDED, outcome=outcome, reason=reason, line=line, cooled=cooled)
        )

    def cooled(self) -> None:
        """The heaters are known to be off."""
        for note in list(self.runs.values()):
            if not note.cooled and note.step is Step.ENDED:
                self._put(replace(note, cooled=True))

    def accepted(self, run: int, line: int) -> None:
        """Note the last accepted line where a killed process leaves it behind; costs no call."""
        if self._page is not None:
            _LINE.pack_into(self._page, 0, run, line)

    def lost(self) -> list[RunNote]:
        """End the runs that a former process left open; those that were ended so.

        A run that was finishing may have completed by itself: the printer had all of it.
        """
        found = []
        for note in list(self.runs.values()):
            if note.step is Step.ENDED:
                continue
            line = self._line_of(note.run)
            finishing = note.step is Step.FINISHING and self._may_have_ended(note)
            outcome = Outcome.DOUBT if finishing else Outcome.FAILED
            self.ended(note.run, outcome, _lost_words(line, finishing), line, cooled=False)
            found.append(self.runs[note.run])
        return found

    def remember_baud(self, baud: int) -> None:
        """Note the speed that the printer answered at, to be tried first next time."""
        if baud != self.baud:
            self.baud = baud
            self._write({"baud": baud})

    def close(self) -> None:
        """Let go of the files."""
        if self._page is not None:
            self._page.close()
            self._page = None
        if self._journal >= 0:
            os.close(self._journal)
            self._journal = -1

    # --- the files -------------------------------------------------------------------------------

    def _line_of(self, run: int) -> int:
        if self._page is None:
            return 0
        noted, line = _LINE.unpack_from(self._page, 0)
        return int(line) if noted == run else 0

    def _may_have_ended(self, note: RunNote) -> bool:
        """Whether the last moves may be with the printer: for certain not only if the page says so.

        The page is what a killed process left behind, unless the machine lost its power since.
        """
        if self._page is None or not note.boot or note.boot != _boot():
            return True
        noted, written = _TAIL.unpack_from(self._page, _LINE.size)
        return bool(noted == note.run and written)

    def _put(self, note: RunNote) -> RunNote:
        self._write(asdict(note))
        self.runs[note.run] = note
        return note

    def _write(self, fact: dict[str, Any]) -> None:
        if self._journal < 0:
            return
        with self._writing:
            # What a full disk left half-written must not swallow the fact behind it.
            left = (b"\n" if self._torn else b"") + json.dumps(fact).encode() + b"\n"
            self._torn = True
            while left:
                left = left[os.write(self._journal, left) :]
            os.fdatasync(self._journal)
            self._torn = False

    def _open(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = folder / "runs.jsonl"
        facts = list(_facts(path))
        known = [fact for fact in facts if "store" in fact]
        fresh = not known
        if known:
            self.store = str(known[0]["store"])
        for fact in facts:
            self._recall(fact)
        if fresh or len(facts) > 4 * KEPT_RUNS:
            self._rewrite(path)
        self._journal = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        self._torn = not path.read_bytes().endswith(b"\n")
        self._page = _page(folder / "line")

    def _recall(self, fact: dict[str, Any]) -> None:
        if "run" in fact:
            note = _note(fact)
            if note is not None:
                self.runs[note.run] = note
        elif isinstance(fact.get("baud"), int):
            self.baud = fact["baud"]

    def _rewrite(self, path: Path) -> None:
        """Write what counts anew, as a whole or not at all."""
        for run in sorted(self.runs)[:-KEPT_RUNS]:
            del self.runs[run]
        facts: list[dict[str, Any]] = [{"store": self.store}, {"baud": self.baud}]
        facts += [asdict(note) for note in self.runs.values()]
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            file.writelines(json.dumps(fact).encode() + b"\n" for fact in facts)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _boot() -> str:
    """The life of this machine, from its start to its next; empty where it does not say."""
    try:
        return _BOOT.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _lost_words(line: int, finishing: bool) -> str:  # noqa: FBT001 (one caller, beside it)
    at = f"line {line}" if line else "its first lines"
    if finishing:
        return f"Buildplate stopped while the printer had the last moves (accepted: {at})"
    return f"Buildplate stopped while it streamed the print (accepted: {at})"


def _facts(path: Path) -> Iterable[dict[str, Any]]:
    """The facts of a journal; a last line that a power cut left half-written is none."""
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return
    for line in lines:
        try:
            fact = json.loads(line)
        except ValueError:
            continue
        if isinstance(fact, dict):
            yield fact


def _note(fact: dict[str, Any]) -> RunNote | None:
    try:
        outcome = fact["outcome"]
        return RunNote(
            run=int(fact["run"]),
            path=str(fact["path"]),
            step=Step(fact["step"]),
            outcome=None if outcome is None else Outcome(outcome),
            reason=str(fact["reason"]),
            line=int(fact["line"]),
            ours=bool(fact["ours"]),
            cooled=bool(fact["cooled"]),
            boot=str(fact.get("boot", "")),
        )
    except (KeyError, TypeError, ValueError):
        return None


def _page(path: Path) -> mmap.mmap:
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if os.fstat(file).st_size < _PAGE:
            os.ftruncate(file, _PAGE)
        return mmap.mmap(file, _PAGE)
    finally:
        os.close(file)
