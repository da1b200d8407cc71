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


class Sources(NamedTuple):
    """What views of printers are made of: of each its own, and what is known of all at once.

    Compared in whole at every ask, and quickly: what is unchanged is the same object.
    """

    own: Sequence[object]
    occupants: Mapping[str, tuple[str, bool]]
    alive: bool


class PrinterShelf:
    """The printers in service as JSON.

    Everything that a view is made of is compared at every ask: nobody has to tell the shelf that
    something has changed, so nobody can forget it.
    """

    def __init__(self) -> None:
        self._seen: Sources | None = None
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
        self, sessions: Mapping[str, PrinterSession], sources: Sources, wanted: Wanted
    ) -> bytes:
        own = dict(zip(sessions, sources.own, strict=True))
        found, more = part_of(sessions, wanted)
        rows = [
            self._row(one, (own[one.id], sources.occupants.get(one.id), sources.alive))
            for one in found
        ]
        return page_json(rows, more)

    def _row(self, session: PrinterSession, source: object) -> bytes:
        made = self._rows.get(session.id)
        if made is None or made[0] != source:
            # Copied, for it is kept: what orjson hands out lies in up to 16 kB of memory.
            row = memoryview(as_json(printer_view(session))).tobytes()
            made = self._rows[session.id] = (source, row)
        return made[1]


def _sources(sessions: Mapping[str, PrinterSession]) -> Sources:
    own = [
        (
            session.record,
            live.link,
            live.activity,
            live.problem,
            live.problem_code,
            live.hint,
            live.powered,
            session.in_flight,
        )
        for session in sessions.values()
        for live in (session.live,)
    ]
    one = next(iter(sessions.values()), None)
    if one is None:
        return Sources(own, {}, alive=False)
    return Sources(own, one.parts.steward.occupants(), one.parts.lease.hold())


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
