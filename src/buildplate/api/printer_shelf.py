"""Lists of printers as JSON, made anew only where something about a printer has changed.

A list of hundreds is asked for again and again, and between two asks hardly any has changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import NamedTuple

from buildplate.access.model import Groups
from buildplate.api.answers import as_json, page_json
from buildplate.api.printer_views import printer_view
from buildplate.fleet.session import PrinterSession

KEPT_PAGES = 8

number_of = attrgetter("record.spec.number")


class Wanted(NamedTuple):
    """Which part of the list: of these groups (None: all), after this number, of this name."""

    groups: Groups
    limit: int
    after: int | None
    name: str | None


class PrinterShelf:
    """The printers in service as JSON.

    Everything that a view is made of is compared at every ask: nobody has to tell the shelf that
    something has changed, so nobody can forget it.
    """

    def __init__(self) -> None:
        self._seen: object = None
        self._pages: dict[Wanted, bytes] = {}
        self._rows: dict[str, tuple[object, bytes]] = {}

    def page(self, sessions: Mapping[str, PrinterSession], wanted: Wanted) -> bytes:
        """A part of the list, as `page_json` has it."""
        sources = _sources(sessions)
        if sources != self._seen:
            self._seen = sources
            self._pages.clear()
            self._rows = {one: row for one, row in self._rows.items() if one in sessions}
        made = self._pages.get(wanted)
        if made is None:
            if len(self._pages) >= KEPT_PAGES:
                self._pages.clear()
            made = self._pages[wanted] = self._page(sessions, sources, wanted)
        return made

    def _page(
        self, sessions: Mapping[str, PrinterSession], sources: Sequence[object], wanted: Wanted
    ) -> bytes:
        source_of = dict(zip(sessions, sources, strict=True))
        found, more = part_of(sessions, wanted)
        return page_json([self._row(one, source_of[one.id]) for one in found], more)

    def _row(self, session: PrinterSession, source: object) -> bytes:
        made = self._rows.get(session.id)
        if made is None or made[0] != source:
            made = self._rows[session.id] = (source, as_json(printer_view(session)))
        return made[1]


def _sources(sessions: Mapping[str, PrinterSession]) -> Sequence[object]:
    """What each printer's view is made of, in the order of `sessions`.

    Compared in whole at every ask, and quickly: what is unchanged is the same object.
    """
    one = next(iter(sessions.values()), None)
    if one is None:
        return ()
    occupant, alive = one.parts.steward.occupant, one.parts.lease.hold()
    return [
        (
            session.record,
            live.link,
            live.activity,
            live.problem,
            live.hint,
            session.in_flight,
            occupant(printer_id),
            alive,
        )
        for printer_id, session in sessions.items()
        for live in (session.live,)
    ]


def part_of(
    sessions: Mapping[str, PrinterSession], wanted: Wanted
) -> tuple[list[PrinterSession], str | None]:
    """The printers of a part of the list, by number, and the cursor to what follows."""
    found = sorted(sessions.values(), key=number_of)
    if wanted.groups is not None:
        found = [one for one in found if one.record.spec.group in wanted.groups]
    if wanted.after is not None:
        found = [one for one in found if number_of(one) > wanted.after]
    if wanted.name is not None:
        found = [one for one in found if one.record.spec.name == wanted.name]
    more = str(number_of(found[wanted.limit - 1])) if len(found) > wanted.limit else None
    return found[: wanted.limit], more
