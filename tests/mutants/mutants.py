"""Permanent mutants: the program with one rule of printing taken out, each caught by a fault test.

A mutant is a few exact replacements in a copy of the source. Each of them must match exactly once:
where the code has moved on, the mutant has to be renewed.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class MutantGrownOld(Exception):
    """A replacement no longer matches exactly once: renew the mutant so that it breaks its rule."""

    def __init__(self, name: str, file: str, found: int) -> None:
        super().__init__(f"renew the mutant '{name}': its text is {found} times in {file}")


@dataclass(frozen=True, slots=True)
class Patch:
    """One replacement in one file of the source."""

    file: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Mutant:
    """A rule taken out, the promise that is broken without it, and by which words it is seen."""

    name: str
    patches: tuple[Patch, ...]
    promise: str
    seen: str


PRINTS = "buildplate/core/prints.py"
LEAVING = "buildplate/core/leaving.py"
STEWARD = "buildplate/dispatch/steward.py"
TRANSITIONS = "buildplate/dispatch/transitions.py"
FLEET = "buildplate/fleet/repository.py"
HANDS = "buildplate/fleet/hands.py"
OCTOPRINT = "buildplate/drivers/octoprint/mapping.py"

OUTLIVES = "a_start_that_outlives_the_delete_is_seen"
DOUBLED = "parts of job"

MUTANTS = (
    Mutant(
        "start before intent",
        (
            Patch(
                STEWARD,
                "        try:\n            started = await self._parts.storage.write(\n"
                "                transitions.intend,",
                '        await session.connection.driver.start(print_.path or "")\n'
                "        try:\n            started = await self._parts.storage.write(\n"
                "                transitions.intend,",
            ),
        ),
        "nothing_is_started_before_its_intent",
        DOUBLED,
    ),
    Mutant(
        "time-out taken for not started",
        (
            Patch(
                PRINTS,
                "    if deeds.start is Start.DUE:\n        if seen.free",
                "    if deeds.start is Start.UNKNOWN:\n"
                '        verdict = Verdict(PrintState.NOT_STARTED, "observation", "no answer")\n'
                "        return Decision(verdict, deeds)\n"
                "    if deeds.start is Start.DUE:\n        if seen.free",
            ),
        ),
        "a_start_whose_answer_is_lost_is_found_out",
        DOUBLED,
    ),
    Mutant(
        "exit without revoke",
        (
            Patch(
                LEAVING,
                "        return Revoke(), deeds\n",
                "        return _second_read(wish, seen, deeds), deeds\n",
            ),
        ),
        OUTLIVES,
        DOUBLED,
    ),
    Mutant(
        "exit without settling",
        (
            Patch(
                LEAVING,
                "    due = deeds.exit_at + wants.timings.settle\n",
                "    due = deeds.exit_at\n",
            ),
            Patch(
                LEAVING,
                "    return Wait(alive_at + wants.timings.settle), deeds",
                "    return Wait(alive_at), deeds",
            ),
        ),
        OUTLIVES,
        DOUBLED,
    ),
    Mutant(
        "a delete taken as evidence",
        (
            Patch(
                LEAVING,
                "    if step is ExitStep.REVOKED:\n"
                "        return _settle(deeds, seen, ExitStep.BARRIER_AGAIN, wants)\n",
                "    if step is ExitStep.REVOKED:\n"
                "        return Verdict(wish.verdict, wish.by, wish.reason), deeds\n",
            ),
        ),
        OUTLIVES,
        DOUBLED,
    ),
    Mutant(
        "upload names reused",
        (
            Patch(
                TRANSITIONS,
                '        "attempt": print_.attempt + 1,\n',
                '        "attempt": max(print_.attempt, 1),\n',
            ),
        ),
        "every_upload_has_a_name_of_its_own",
        "name was used again",
    ),
    Mutant(
        "needs_attention not active",
        (
            Patch(
                TRANSITIONS,
                "import PRINT_IS_ACTIVE, farm, jobs, prints",
                "import PRINT_IS_ACTIVE as EACH, farm, jobs, prints\n\n"
                'PRINT_IS_ACTIVE = EACH & (prints.c.state != "needs_attention")',
            ),
        ),
        "a_print_that_needs_a_person_keeps_its_printer",
        "was cleared",
    ),
    Mutant(
        "bed occupied only at the end",
        (
            Patch(
                FLEET,
                "        bed=Bed.OCCUPIED.value,\n"
                '        bed_reason="a print of ours was started on it",\n',
                "",
            ),
            Patch(
                STEWARD,
                "            None if change is None else change.bed,\n",
                "            Bed.OCCUPIED if change is None else change.bed,\n",
            ),
        ),
        "the_bed_is_occupied_from_the_intent_on",
        "while a print runs",
    ),
    Mutant(
        "clear without its version",
        (Patch(FLEET, "    if record.bed_version != bed_version:\n", "    if not bed_version:\n"),),
        "a_late_second_click_clears_no_other_part",
        "printed into another one",
    ),
    Mutant(
        "cancel sent without reading the file",
        (
            Patch(
                PRINTS,
                "    if seen.read_since(since):\n        return Decision(SendOrder",
                "    if since:\n        return Decision(SendOrder",
            ),
        ),
        "a_cancel_meets_no_other_print",
        "not ours was cancelled",
    ),
    Mutant(
        "start retried",
        (
            Patch(
                HANDS,
                "        else:\n"
                '            answer = Refused("lease_lost", NOT_OURS)\n'
                "        step = {Accepted: Start.ACCEPTED",
                "            if isinstance(answer, Unknown):\n"
                "                answer = await session.connection.driver.start(path)\n"
                "        else:\n"
                '            answer = Refused("lease_lost", NOT_OURS)\n'
                "        step = {Accepted: Start.ACCEPTED",
            ),
        ),
        "a_start_whose_answer_is_lost_is_sent_once",
        "sent twice",
    ),
    Mutant(
        "a host's complete without a print time believed",
        (
            Patch(
                OCTOPRINT,
                "    if any(one.time is not None for one in _ours(path, sight, DONE)):\n",
                "    if _ours(path, sight, DONE):\n",
            ),
        ),
        "a_completion_without_a_print_time_is_none",
        "are called completed",
    ),
    Mutant(
        "a claim without the job's lock",
        (
            Patch(
                TRANSITIONS,
                '_JOB = select(jobs).where(jobs.c.id == bindparam("job_id"))'
                ".with_for_update(read=True)\n",
                '_JOB = select(jobs).where(jobs.c.id == bindparam("job_id"))\n',
            ),
        ),
        "a_held_job_is_claimed_by_nobody",
        "on hold was claimed",
    ),
)


def make(mutant: Mutant, source: Path, folder: Path) -> Path:
    """A copy of the source with the mutant in it; MutantGrownOld."""
    copy = folder / mutant.name.replace(" ", "-").replace("'", "")
    shutil.copytree(source, copy)  # compiled files too: only what is patched is compiled anew
    for patch in mutant.patches:
        file = copy / patch.file
        text = file.read_text()
        if text.count(patch.old) != 1:
            raise MutantGrownOld(mutant.name, patch.file, text.count(patch.old))
        file.write_text(text.replace(patch.old, patch.new))
    return copy
