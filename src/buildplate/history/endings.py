"""Reading how prints ended: a list that holds still, sums by what they have in common, lateness.

The list is in the order of (ended_at, id), newest first. A print ends once, so a page that begins
after the last line of the page before neither repeats nor passes over one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, case, distinct, func, or_, select, tuple_

from buildplate.core.print_table import TERMINAL, PrintState
from buildplate.dispatch.remarks import NOTED
from buildplate.history.model import Ending, Lateness, Note, Of, Promise, Tally, Wanted
from buildplate.storage import Row, Tx, from_json, from_micros, to_micros
from buildplate.storage.tables import events, jobs, print_files, printers, prints

Key = str | None
_ENDED = prints.c.state.in_(sorted(state.value for state in TERMINAL))
_LINES = (
    select(
        prints.c.id,
        prints.c.number,
        prints.c.state,
        prints.c.ended_at,
        prints.c.started_at,
        prints.c.reason,
        prints.c.copy_no,
        prints.c.try_no,
        prints.c.job_id,
        prints.c.printer_id,
        jobs.c.number.label("job_number"),
        jobs.c.name.label("job_name"),
        jobs.c.requirements,
        jobs.c.customer,
        jobs.c.reference,
        jobs.c.due,
        jobs.c.file_id,
        print_files.c.name.label("file_name"),
        print_files.c.analysis,
        printers.c.number.label("printer_number"),
        printers.c.name.label("printer_name"),
        printers.c.printer_group,
    )
    .join(jobs, prints.c.job_id == jobs.c.id)
    .join(print_files, jobs.c.file_id == print_files.c.id)
    .join(printers, prints.c.printer_id == printers.c.id, isouter=True)
    .where(_ENDED, prints.c.ended_at.is_not(None))
)
_NOTES = select(events.c.id, events.c.print_id, events.c.at, events.c.data).where(
    events.c.kind == NOTED
)
_PRINTED = func.sum(
    case(
        (
            and_(
                prints.c.state == PrintState.COMPLETED.value,
                prints.c.ended_at > prints.c.started_at,  # a clock may have been set back
            ),
            prints.c.ended_at - prints.c.started_at,
        ),
        else_=0,
    )
).label("printed")
_IN_TIME = (
    prints.c.ended_at >= bindparam("since"),
    prints.c.ended_at < bindparam("until"),
    _ENDED,
)
_BY_COLUMN = {
    Of.PRINTER: select(
        prints.c.printer_id.label("key"),
        prints.c.state,
        func.count().label("how_many"),
        _PRINTED,
    )
    .where(*_IN_TIME)
    .group_by(prints.c.printer_id, prints.c.state),
    Of.REASON: select(
        prints.c.reason.label("key"),
        prints.c.state,
        func.count().label("how_many"),
        _PRINTED,
    )
    .where(*_IN_TIME, prints.c.state != PrintState.COMPLETED.value)
    .group_by(prints.c.reason, prints.c.state),
}
# By the file, not by its analysis: that is a lot of text to sort and to send for each group.
_BY_FILE = (
    select(
        jobs.c.requirements,
        jobs.c.file_id,
        prints.c.state,
        func.count().label("how_many"),
        _PRINTED,
    )
    .join(jobs, prints.c.job_id == jobs.c.id)
    .where(*_IN_TIME)
    .group_by(jobs.c.requirements, jobs.c.file_id, prints.c.state)
)
_ANALYSES = select(print_files.c.id, print_files.c.analysis)
AT_ONCE = 500
_MADE = prints.c.state == PrintState.COMPLETED.value
_DUE = (
    select(
        jobs.c.id,
        jobs.c.number,
        jobs.c.name,
        jobs.c.customer,
        jobs.c.due,
        jobs.c.copies,
        func.count(distinct(case((_MADE, prints.c.copy_no)))).label("made"),
        func.max(case((_MADE, prints.c.ended_at))).label("last"),
    )
    .join(prints, prints.c.job_id == jobs.c.id)
    .where(
        jobs.c.due >= bindparam("since"),
        jobs.c.due < bindparam("until"),
        jobs.c.cancelled.is_(False),
    )
    .group_by(jobs.c.id)
    .subquery()
)
_IS_MADE = _DUE.c.made >= _DUE.c.copies
_IN_TIME_OF_ALL = func.count(case((and_(_IS_MADE, _DUE.c.last <= _DUE.c.due), 1)))
_LATE_OF_ALL = func.count(
    case(
        (and_(_IS_MADE, _DUE.c.last > _DUE.c.due), 1),
        (and_(_DUE.c.made < _DUE.c.copies, _DUE.c.due < bindparam("now")), 1),
    )
)
_PROMISES = (
    select(_DUE, _IN_TIME_OF_ALL.over().label("in_time"), _LATE_OF_ALL.over().label("late"))
    .order_by(_DUE.c.due.desc(), _DUE.c.id.desc())
    .limit(bindparam("most"))
)


def _conditions(wanted: Wanted) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.state is not None:
        found.append(prints.c.state == wanted.state.value)
    if wanted.printer_id is not None:
        found.append(prints.c.printer_id == wanted.printer_id)
    if wanted.file_id is not None:
        found.append(jobs.c.file_id == wanted.file_id)
    if wanted.since is not None:
        found.append(prints.c.ended_at >= to_micros(wanted.since))
    if wanted.until is not None:
        found.append(prints.c.ended_at < to_micros(wanted.until))
    if wanted.text:
        found.append(_mentions(wanted.text))
    if wanted.groups is not None:
        theirs = printers.c.printer_group.in_(sorted(wanted.groups))
        found.append(or_(theirs, prints.c.printer_id.is_(None)))
    return found


def _mentions(text: str) -> ColumnElement[bool]:
    """As it is written, or in small letters: SQLite knows the small ones of ASCII only."""
    columns = (
        jobs.c.name,
        print_files.c.name,
        jobs.c.customer,
        jobs.c.reference,
        prints.c.reason,
    )
    return or_(
        *(column.contains(text, autoescape=True) for column in columns),
        *(func.lower(column).contains(text.lower(), autoescape=True) for column in columns),
    )


async def endings(
    tx: Tx, wanted: Wanted, after: tuple[int, str] | None, most: int
) -> Sequence[Ending]:
    """Ended prints, newest first, that come after the one with this end (µs) and id."""
    statement = _LINES.where(*_conditions(wanted))
    if after is not None:
        statement = statement.where(tuple_(prints.c.ended_at, prints.c.id) < tuple_(*after))
    statement = statement.order_by(prints.c.ended_at.desc(), prints.c.id.desc()).limit(most)
    return [_ending(row) for row in await tx.rows(statement)]


def _ending(row: Row) -> Ending:
    asked = from_json(row["requirements"])
    return Ending(
        id=row["id"],
        number=row["number"],
        state=PrintState(row["state"]),
        ended_at=from_micros(row["ended_at"]),
        started_at=_time(row["started_at"]),
        reason=row["reason"],
        copy_no=row["copy_no"],
        try_no=row["try_no"],
        job_id=row["job_id"],
        job_number=row["job_number"],
        job_name=row["job_name"],
        job_group=asked.get("group"),
        customer=row["customer"],
        reference=row["reference"],
        due=_time(row["due"]),
        file_id=row["file_id"],
        file_name=row["file_name"],
        materials=materials(asked, from_json(row["analysis"])),
        printer_id=row["printer_id"],
        printer_number=row["printer_number"],
        printer_name=row["printer_name"],
        printer_group=row["printer_group"],
    )


def _time(micros: int | None) -> datetime | None:
    return None if micros is None else from_micros(micros)


def materials(asked: Mapping[str, Any], analysis: Mapping[str, Any]) -> tuple[str, ...]:
    """The types a job asks for, else those its file was sliced for: sorted, none twice."""
    named = {need.get("type") for need in asked.get("materials") or ()}
    if not named:
        named = {tool.get("filament_type") for tool in analysis.get("tools") or ()}
    return tuple(sorted({str(one).strip().upper() for one in named if one}))


async def notes(tx: Tx, job_ids: Collection[str]) -> Sequence[Note]:
    """What people wrote to the prints of these jobs, oldest first."""
    if not job_ids:
        return []
    statement = _NOTES.where(events.c.job_id.in_(sorted(job_ids))).order_by(events.c.id)
    found = []
    for row in await tx.rows(statement):
        said = from_json(row["data"])
        at = from_micros(row["at"])
        found.append(Note(row["id"], row["print_id"], at, said["by"], said["note"]))
    return found


async def outcomes(tx: Tx, of: Of, since: datetime, until: datetime) -> dict[Key, Tally]:
    """How prints ended between two moments, by what they have in common; None: nobody knows."""
    rows = await tx.rows(
        _BY_COLUMN.get(of, _BY_FILE), {"since": to_micros(since), "until": to_micros(until)}
    )
    if of is Of.MATERIAL:
        keys = await _materials_of(tx, [(row["requirements"], row["file_id"]) for row in rows])
    else:
        keys = [row["key"] or None for row in rows]
    found: dict[Key, tuple[dict[PrintState, int], list[float]]] = {}
    for key, row in zip(keys, rows, strict=True):
        ended, printed = found.setdefault(key, ({}, []))
        state = PrintState(row["state"])
        ended[state] = ended.get(state, 0) + int(row["how_many"])
        printed.append(int(row["printed"] or 0) / 1e6)
    return {key: Tally(ended, sum(printed)) for key, (ended, printed) in found.items()}


async def _materials_of(tx: Tx, asked: Sequence[tuple[str, str]]) -> list[Key]:
    """The materials for each requirements and file; every text is read once."""
    needs = {text: from_json(text) for text in {text for text, _ in asked}}
    files = sorted({file_id for text, file_id in asked if not needs[text].get("materials")})
    analyses: dict[str, Mapping[str, Any]] = {}
    for first in range(0, len(files), AT_ONCE):
        some = print_files.c.id.in_(files[first : first + AT_ONCE])
        for row in await tx.rows(_ANALYSES.where(some)):
            analyses[row["id"]] = from_json(row["analysis"])
    return [
        " + ".join(materials(needs[text], analyses.get(file_id, {}))) or None
        for text, file_id in asked
    ]


async def lateness(tx: Tx, since: datetime, until: datetime, now: datetime, most: int) -> Lateness:
    """Jobs that were due between two moments and are not cancelled; the latest due first."""
    span = {"since": to_micros(since), "until": to_micros(until)}
    found = await tx.rows(_PROMISES, span | {"now": to_micros(now), "most": most})
    in_time, late = (int(found[0]["in_time"]), int(found[0]["late"])) if found else (0, 0)
    return Lateness(in_time, late, [_promise(row) for row in found])


def _promise(row: Row) -> Promise:
    return Promise(
        job_id=row["id"],
        number=row["number"],
        name=row["name"],
        customer=row["customer"],
        due=from_micros(row["due"]),
        copies=row["copies"],
        made=int(row["made"]),
        finished_at=_time(row["last"]) if int(row["made"]) >= row["copies"] else None,
    )
