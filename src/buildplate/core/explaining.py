"""Say of a waiting print why it starts on none of the printers: in full, or counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from buildplate.core.fit import misfits
from buildplate.core.gate import held_back
from buildplate.core.matching import bits
from buildplate.core.readiness import unreadiness
from buildplate.core.reasons import Reason, Unblock, UnblockAction, WaitReason, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from buildplate.core.jobs import QueuedPrint
    from buildplate.core.printers import Printer
    from buildplate.core.survey import Survey


def reasons(survey: Survey, print_: QueuedPrint) -> dict[str, list[WaitReason]]:
    """For each printer every reason why the print does not start there, the weightiest first.

    Of a print that waits, no printer's list is empty. Of a print that the plan starts, the lists
    tell why it starts on no other, and are empty where it could as well.
    """
    by_number = sorted(range(len(survey.printers)), key=lambda n: survey.printers[n].spec.number)
    return {survey.printers[n].id: list(_pair(survey, print_, n)) for n in by_number}


def _pair(survey: Survey, print_: QueuedPrint, n: int) -> Iterator[WaitReason]:
    printer = survey.printers[n]
    nothing = True
    for reason in _known(survey, print_, n, printer):
        nothing = False
        yield reason
    place = survey.places[print_.id]
    if nothing and place not in survey.seats.bit_of:
        yield _taken(survey, print_, n, place)


def _known(survey: Survey, print_: QueuedPrint, n: int, printer: Printer) -> Iterator[WaitReason]:
    for code, detail, unblock in held_back(print_, survey.queue, survey.now):
        yield WaitReason(printer.id, code, detail, unblock)
    yield from _misfits(print_, printer)
    if survey.shunned(print_) >> n & 1:
        yield _elsewhere(survey, print_, printer)
    yield from unreadiness(printer)
    if survey.asks_first >> n & 1 and not print_.confirmed:
        confirm = Unblock(UnblockAction.CONFIRM_PRINT, print_.id)
        detail = "this printer starts nothing without a person's word"
        yield WaitReason(printer.id, Reason.START_NEEDS_CONFIRM, detail, confirm)


def _misfits(print_: QueuedPrint, printer: Printer) -> Iterator[WaitReason]:
    """Every hard constraint that is not met; a person's word stands for the job's own list."""
    only = print_.assigned_to
    if only is None:
        yield from misfits(print_.job, printer)
        return
    asked = replace(print_.job.requirements, printers=frozenset({only}))
    for reason in misfits(replace(print_.job, requirements=asked), printer):
        if reason.code is Reason.PRINTER_NOT_LISTED:
            assign = Unblock(UnblockAction.ASSIGN_PRINT, printer.id, {"print_id": print_.id})
            detail = "this print was assigned to another printer"
            yield WaitReason(printer.id, Reason.PRINTER_NOT_LISTED, detail, assign)
        else:
            yield reason


def _elsewhere(survey: Survey, print_: QueuedPrint, printer: Printer) -> WaitReason:
    until = print_.failed_at and print_.failed_at + survey.policy.retry_elsewhere
    detail = "this copy failed here; other printers that can take it get the first try"
    unblock = wait_for("another_printer", until=until)
    return WaitReason(printer.id, Reason.RETRY_ELSEWHERE_FIRST, detail, unblock)


def _taken(survey: Survey, print_: QueuedPrint, n: int, place: int) -> WaitReason:
    seats = survey.seats
    holder_place = seats.place_of[n]
    holder = survey.ordered[holder_place]
    in_turn = holder_place in seats.turns
    if not in_turn and holder_place < place and _may_overtake(survey, print_, holder, place):
        unblock = Unblock(UnblockAction.REORDER_QUEUE, print_.id, {"before": holder.id})
    else:
        unblock = wait_for("print", print_id=holder.id)
    why = "has waited longest and it is its turn" if in_turn else "is ahead in the queue"
    detail = f"job {holder.job.number}, copy {holder.copy} {why}"
    return WaitReason(survey.printers[n].id, Reason.HIGHER_PRIORITY_FIRST, detail, unblock)


def _may_overtake(survey: Survey, print_: QueuedPrint, holder: QueuedPrint, place: int) -> bool:
    """Whether putting the print's job ahead of the holder's would start this very print.

    Jobs are reordered, with all their copies, within their class; so an earlier copy that waits
    too would be the one to start.
    """
    if holder.assigned_to is not None:
        return False
    if holder.job.id == print_.job.id or holder.job.priority is not print_.job.priority:
        return False
    return survey.first_waiting[print_.job.id] == place


class Summaries:
    """Count the reasons of many prints of one survey: each printer by its weightiest reason.

    The counts of a print add up to the number of printers that do not start it.
    """

    def __init__(self, survey: Survey) -> None:
        self._survey = survey
        self._unready: list[tuple[Reason, int]] | None = None
        self._known: dict[object, Mapping[Reason, int]] = {}
        self._members: dict[str | None, int] = {}

    def of(self, print_: QueuedPrint) -> Mapping[Reason, int]:
        """How many printers do not start the print, by reason."""
        return self._among(self._survey.eligibility.everyone, print_)

    def in_group(self, print_: QueuedPrint) -> Mapping[Reason, int]:
        """As `of`, of the printers of the group that the job asks for and of no others."""
        group = print_.job.requirements.group
        members = self._members.get(group)
        if members is None:
            members = self._survey.which(lambda printer: printer.spec.group == group)
            self._members[group] = members
        return self._among(members, print_)

    def _among(self, printers: int, print_: QueuedPrint) -> Mapping[Reason, int]:
        survey = self._survey
        waits = survey.places[print_.id] not in survey.seats.bit_of
        held = next(iter(held_back(print_, survey.queue, survey.now)), None)
        shunned = survey.shunned(print_)
        code = held and held[0]
        asked = (print_.job.id, waits, code, shunned, print_.confirmed, print_.assigned_to)
        key = (printers, *asked)
        if key not in self._known:
            self._known[key] = self._count(printers, print_, shunned, code, waits=waits)
        return self._known[key]

    def _count(
        self, left: int, print_: QueuedPrint, shunned: int, held: Reason | None, *, waits: bool
    ) -> Mapping[Reason, int]:
        survey = self._survey
        everyone = survey.eligibility.everyone
        rows = [(held, everyone)] if held else [*survey.eligibility.misfits(print_)]
        rows.append((Reason.RETRY_ELSEWHERE_FIRST, shunned))
        rows += self._unreadiness()
        if not print_.confirmed:
            rows.append((Reason.START_NEEDS_CONFIRM, survey.asks_first))
        if waits:
            rows.append((Reason.HIGHER_PRIORITY_FIRST, everyone))
        counts: Counter[Reason] = Counter()
        for code, mask in rows:
            if left & mask:
                counts[code] += (left & mask).bit_count()
                left &= ~mask
        return counts

    def _unreadiness(self) -> list[tuple[Reason, int]]:
        """Each printer that is not ready, under its weightiest reason."""
        if self._unready is None:
            survey = self._survey
            found: dict[Reason, int] = {}
            for n in bits(survey.eligibility.everyone & ~survey.ready):
                first = next(unreadiness(survey.printers[n]))
                found[first.code] = found.get(first.code, 0) | 1 << n
            self._unready = list(found.items())
        return self._unready
