"""Which events of the log a caller who is confined to printer groups is shown, and what of them.

An event with a printer belongs to the printer's group, any other one to its job's. Of the events
that belong to neither only those named here are shown, and of what any event says only the fields
named here: a new kind or field is hidden until somebody sorts it out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from buildplate.storage import PublishedEvent

# They change what becomes of everybody's jobs.
FARM = frozenset({"queue.stopped", "queue.released"})
# `by` names people, `before` another job, the reason of a stop or a hold others' printers.
TOLD = frozenset(
    {
        "attempt",
        "bed",
        "command",
        "command_id",
        "copies",
        "copy",
        "driver",
        "name",
        "number",
        "outcome",
        "override",
        "try",
        "verdict",
    }
)
# Why a bed or a print is as it is stands at printers and prints too; why a job is held does not.
TOLD_OF_PRINTS = TOLD | {"reason"}


def event_view(published: PublishedEvent) -> dict[str, Any]:
    """An event as it is answered."""
    event = published.event
    return {
        "seq": published.seq,
        "id": event.id,
        "at": event.at,
        "kind": event.kind,
        "printer_id": event.printer_id,
        "job_id": event.job_id,
        "print_id": event.print_id,
        "data": event.data,
    }


@dataclass(frozen=True, slots=True)
class OwnedEvent:
    """An event as it is answered, and the groups of its printer and of its job at a version."""

    view: Mapping[str, Any]
    printer_group: str | None
    job_group: str | None
    job_version: int = 0

    def shown_to(self, groups: frozenset[str]) -> Mapping[str, Any] | None:
        """What callers of these groups are shown of it; None: nothing."""
        view, kind = self.view, self.view["kind"]
        of_printer = view["printer_id"] is not None
        printer_is_theirs = of_printer and self.printer_group in groups
        job_is_theirs = view["job_id"] is not None and self.job_group in groups
        theirs = printer_is_theirs if of_printer else job_is_theirs
        if not theirs and kind not in FARM:
            return None
        told = TOLD_OF_PRINTS if of_printer or view["print_id"] is not None else TOLD
        if kind in FARM:
            told = frozenset()
        return {
            **view,
            "printer_id": view["printer_id"] if printer_is_theirs else None,
            "job_id": view["job_id"] if job_is_theirs else None,
            "print_id": view["print_id"] if theirs else None,
            "data": {name: value for name, value in view["data"].items() if name in told},
        }
