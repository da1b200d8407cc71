"""A farm with simulated boards on serial lines: their own records say what was printed and how.

The board knows neither jobs nor files. What it has is the name that the display shows (M117), which
is another for each order, and the lines it took; which print a run belongs to is told by the
intents, in their order.
"""

from __future__ import annotations

import hashlib
import json
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from buildplate.protocols.marlin import SendLimits
from tests.faults.serial_record import (
    HEATERS_OFF,
    Entries,
    Streamed,
    Stretch,
    first_words,
    in_order,
    moves_of,
    streamed,
    texts,
)
from tests.faults.worlds import LONGEST_PART_S, SIZE, Setting, World, seconds_of
from tests.integration.serial_printer import moves

if TYPE_CHECKING:
    from tests.faults.truth import Facts

SHORTEST = 40
"""Moves of a second each: more than a planner and a window hold, so that a print has a middle."""
BEFORE_PADDING = 30
PADDING = "; nothing that a printer acts on, as a slicer's settings are\n" * 700
"""Between two moves: a note that the end is near is written some 32 KiB before it, no earlier."""
INTENTS = (
    "SELECT e.at, p.id, p.path, p.job_id, r.name FROM events e"
    " JOIN prints p ON p.id = e.print_id JOIN printers r ON r.id = e.printer_id"
    " WHERE e.kind = 'print.starting' ORDER BY e.at"
)
ACTIVE = (
    "SELECT r.name, p.id FROM prints p JOIN printers r ON r.id = p.printer_id"
    " WHERE p.state NOT IN ('queued', 'completed', 'failed', 'cancelled', 'not_started')"
)
PRINTERS = "SELECT name, id FROM printers"
LAST_LINE = re.compile(r"accepted:? line (?:is )?(\d+)")
MOST_UNANSWERED = SendLimits().most


@dataclass(frozen=True, slots=True)
class Intent:
    """The farm has made up its mind to start a print; unix seconds."""

    at: float
    print_id: str
    path: str
    job: str
    printer: str


@dataclass(frozen=True, slots=True)
class Death:
    """What a printer's board was like as the farm died: entries in its record, heaters that are on.

    `active`: the print that the database had there. `doubtful`: the one that the note calls so.
    """

    printer: str
    entries: int
    hot: bool
    active: str | None
    doubtful: str | None


def doubtful(folder: Path) -> str | None:
    """The print whose last moves were about to be written, by what a killed process left behind."""
    try:
        lines = (folder / "runs.jsonl").read_bytes().splitlines()
        page = (folder / "line").read_bytes()
    except FileNotFoundError:
        return None
    runs = [fact for line in lines if "run" in (fact := json.loads(line))]
    if not runs or runs[-1]["step"] != "finishing":
        return None
    run, written = struct.unpack_from("<QQ", page, 16)
    if run != runs[-1]["run"] or not written:
        return None
    return str(UUID(runs[-1]["path"].split("-")[1]))


class SerialWorld(World):
    """One farm on its data folder, its printers on serial lines."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self._deaths: list[Death] = []
        self._began_at: dict[str, int] = {}
        self._contents: dict[str, bytes] = {}

    def connection_of(self, one: Facts) -> Facts:
        """The port; heaters warm so many times too fast here that the thermal watch only tells."""
        return {**one["connection"], "watch_action": "warn"}

    async def furnish(self, *names: str) -> list[str]:
        """Add the named printers (all, by default); their records count from here."""
        for one in self.printers:
            if one["name"] not in self._began_at:
                self._began_at[one["name"]] = len(await self.admin.accepted(one["name"]))
        return await super().furnish(*names)

    async def stopped(self, name: str) -> bool:
        """Whether the board obeyed M112; to a farm that has died since, it says nothing more."""
        return bool((await self.admin.printer(name))["state"] == "killed")

    async def wake(self, name: str) -> None:
        """Press the reset button of a board that has stopped for good."""
        if await self.stopped(name):
            await self.admin.do(name, "reset")

    async def jogs(self, name: str) -> int:
        """How often the head was moved by hand."""
        lines = texts(await self._record(name))
        return sum(line.startswith("G1 X10.000 ") for line in lines)

    def made(self, gcode: str, name: str) -> tuple[str, Facts]:
        """A part of so many moves, cold enough for any time factor, whose name the board shows."""
        told = f"{self._setting.data_dir} {name} {gcode}"
        message = f"bp {hashlib.sha256(told.encode()).hexdigest()[:16]}"
        count = min(max(SHORTEST, int(seconds_of(gcode))), int(LONGEST_PART_S))
        first = [f"M117 {message}", "M104 S60"]
        content = moves(count, first=first, last=["M400"]).decode()
        middle = content.index(f"; move {BEFORE_PADDING}\n")
        content = content[:middle] + "\n" + PADDING + content[middle:]
        return content + gcode[gcode.rindex("G4") :].partition("\n")[2], {"size": SIZE}

    def ordered(self, order: Facts, gcode: str) -> None:
        """Keep by which name the board knows an order, and what it must take of it."""
        (order["message"],) = re.findall(r"^M117 (.*)$", gcode, re.MULTILINE)
        self._contents[order["message"]] = gcode.encode()

    # --- what the boards have recorded -----------------------------------------------------------

    async def _record(self, name: str) -> Entries:
        return await self.admin.accepted(name, self._began_at.get(name, 0))

    async def _streamed(self, name: str) -> Streamed:
        return streamed(texts(await self._record(name)))

    def _intents(self) -> list[Intent]:
        return [Intent(at / 1e6, *rest) for at, *rest in self.stored(INTENTS)]

    async def log(self, printer: str) -> list[Facts]:
        """The board's runs with the file and the print that each belongs to.

        A run is the latest intent's; one that is whole has taken all its moves and come to its end.
        """
        entries = await super().log(printer)
        ways = iter([one for one in (await self._streamed(printer)).stretches if one.moves])
        ours = {order["message"] for order in self.orders.values()}
        intents = self._intents()
        runs: dict[str, Facts] = {}
        for entry in entries:
            if entry["event"] not in {"start", "end"}:
                continue
            if entry["event"] == "start" and entry["message"] in ours:
                runs[entry["run"]] = self._run(printer, entry, next(ways), intents)
            run = runs.get(entry["run"])
            entry.update({"foreign": True} if run is None else run)
            if entry["event"] == "end" and run is not None:
                done = entry["outcome"] == "ended" and run["whole"]
                entry["outcome"] = "completed" if done else "failed"
        return entries

    def _run(self, printer: str, entry: Facts, went: Stretch, intents: list[Intent]) -> Facts:
        """What is to be known of a run that began: whose it is, and what the board took of it."""
        message = entry["message"]
        assert went.message == message, f"{printer} shows {message} and takes {went.message}"
        ((job, order),) = (one for one in self.orders.items() if one[1]["message"] == message)
        wanted = (job, printer)
        meant = [one for one in intents if (one.job, one.printer) == wanted and one.at < entry["t"]]
        assert meant, f"{printer} began without an intent: {entry}"
        return {
            "sha256": order["sha256"],
            "path": meant[-1].path,
            "print": meant[-1].print_id,
            "moves": went.moves,
            "whole": went.moves == moves_of(self._contents[message]),
        }

    # --- deaths ----------------------------------------------------------------------------------

    async def _died(self, at: float) -> None:
        """Keep what the boards are like before the next life speaks to them."""
        await super()._died(at)
        self.blinded.clear()  # whether a serial print was begun, its note tells
        active, ids = dict(self.stored(ACTIVE)), dict(self.stored(PRINTERS))
        for one in self.printers:
            name = one["name"]
            if name in self._began_at:
                truth = await self.admin.printer(name)
                hot = any(heater["target"] > 0 for heater in truth["heaters"].values())
                length = len(await self.admin.accepted(name))
                doubt = doubtful(self._setting.seen / "notes" / str(ids.get(name)))
                self._deaths.append(Death(name, length, hot, active.get(name), doubt))

    async def needing_people(self) -> set[str]:
        """The prints of which nobody but a person can tell what became of them.

        Only what was killed near its end can be such a one: asked about earlier, it is a question
        without a reason. Of all others it is known (ADR 22). Where the note told at the death that
        the last moves were about to be written, somebody must be asked.
        """
        ending = set()
        for death in self._deaths:
            if death.active is None:
                continue
            entries = await self.admin.accepted(death.printer)
            before = entries[self._began_at[death.printer] : death.entries]
            stretches = streamed(texts(before)).stretches
            if stretches:
                whole = len(moves_of(self._contents[stretches[-1].message]))
                if len(stretches[-1].moves) >= whole - 1 - MOST_UNANSWERED:
                    ending.add(death.active)
        asked = {one.print_id for one in await self.asked_about()}
        unwanted = {one["id"] for one in (await self.state())["prints"] if one["wants_cancel"]}
        doubted = {one.doubtful for one in self._deaths if one.doubtful == one.active} - {None}
        return (asked & ending) | ({str(one) for one in doubted} - unwanted) | self.forgotten

    # --- judging ---------------------------------------------------------------------------------

    async def further_problems(self) -> list[str]:
        """What else a serial print promises, held against the boards' records."""
        found = []
        for name in self._began_at:
            found += await self._disorder(name)
        for at, death in enumerate(self._deaths):
            later = [one.entries for one in self._deaths[at + 1 :] if one.printer == death.printer]
            end = later[0] if later else None
            said = first_words((await self.admin.accepted(death.printer))[death.entries : end])
            if death.hot and said != HEATERS_OFF and (said or end is None):
                found.append(f"{death.printer} was hot, and the first words after a death: {said}")
        return found + await self._wrong_last_lines()

    async def _disorder(self, name: str) -> list[str]:
        seen = await self._streamed(name)
        found = [f"{name} took moves that belong to no print: {seen.strays}"] if seen.strays else []
        return found + [
            f"{name} took other lines, or some twice: {one.moves}"
            for one in seen.stretches
            if not in_order(one.moves, moves_of(self._contents[one.message]))
        ]

    async def _wrong_last_lines(self) -> list[str]:
        """A failed print tells the last line that was accepted; what it says must be so."""
        found = []
        reasons = dict(self.stored("SELECT id, reason FROM prints WHERE state = 'failed'"))
        for one in self.printers:
            for entry in await self.log(one["name"]):
                said = LAST_LINE.search(reasons.get(entry.get("print"), "") or "")
                if entry["event"] != "start" or said is None:
                    continue
                content = self._contents[entry["message"]].splitlines()
                told = len(moves_of(b"\n".join(content[: int(said[1])])))
                taken = len(entry["moves"])
                if not told <= taken <= told + MOST_UNANSWERED:
                    found.append(f"line {said[1]} was told as the last, {taken} moves were taken")
        return found
