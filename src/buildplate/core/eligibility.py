"""Tell for any job which printers of a fleet could take it, all at once, as a set of bits."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from buildplate.core.fit import TABLE
from buildplate.core.materials import normalised
from buildplate.core.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from buildplate.core.jobs import JobFacts, QueuedPrint
    from buildplate.core.printers import Printer

    Wanted = Counter[tuple[int, str, str]]


class Eligibility:
    """The hard constraints of a whole fleet; bit n stands for the n-th printer handed in."""

    def __init__(self, fleet: Sequence[Printer]) -> None:
        self.everyone = (1 << len(fleet)) - 1
        self._rows = [(constraint.code, constraint.index(fleet)) for constraint in TABLE]
        self._bit = {printer.id: 1 << n for n, printer in enumerate(fleet)}
        self._known: dict[str, int] = {}

    def of(self, job: JobFacts) -> int:
        """The printers that meet every hard constraint of the job."""
        known = self._known.get(job.id)
        if known is None:
            known = self.everyone
            for _, meets in self._rows:
                known &= meets(job)
            self._known[job.id] = known
        return known

    def of_print(self, print_: QueuedPrint) -> int:
        """The printers that may have the print: its job's, or the one it is assigned to."""
        if print_.assigned_to is None:
            return self.of(print_.job)
        found = self.everyone
        for _, lacking in self.misfits(print_):
            found &= ~lacking
        return found

    def misfits(self, print_: QueuedPrint) -> Iterator[tuple[Reason, int]]:
        """Each constraint's code and the printers that do not meet it, in the table's order."""
        for code, meets in self._rows:
            if code is Reason.PRINTER_NOT_LISTED and print_.assigned_to is not None:
                yield code, self.everyone & ~self._bit.get(print_.assigned_to, 0)
            else:
                yield code, self.everyone & ~meets(print_.job)


def used_up_first(fleet: Iterable[Printer], prints: Iterable[QueuedPrint]) -> list[Printer]:
    """The printers in the order in which a print that suits several takes them.

    First those whose material fewest waiting prints ask for, which leaves the wanted materials to
    those that want them and so saves changing spools; then the emptiest spool that suffices, then
    the printer least used so far.
    """
    wanted: Wanted = Counter()
    for print_ in prints:
        for need in print_.job.requirements.materials:
            wanted[need.tool, normalised(need.type), normalised(need.color)] += 1

    def key(printer: Printer) -> tuple[int, float, int, int]:
        demand, left = 0, 0.0
        for m in printer.spec.materials:
            type_, color = normalised(m.type), normalised(m.color)
            demand += wanted[m.tool, type_, color] if color else 0
            demand += wanted[m.tool, type_, ""]
            left += m.remaining_g or 0.0
        return demand, left, printer.status.starts, printer.spec.number

    return sorted(fleet, key=key)
