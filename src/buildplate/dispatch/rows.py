"""Rows of jobs and prints as values, and values as columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from buildplate.core.jobs import Priority, Requirements
from buildplate.core.materials import MaterialNeed
from buildplate.core.print_table import PrintState
from buildplate.core.printers import Volume
from buildplate.dispatch.model import JobRecord, PrintRecord
from buildplate.storage import Row, from_json, from_micros, to_json


def _time(micros: int | None) -> datetime | None:
    return None if micros is None else from_micros(micros)


def _json(text: str | None) -> Mapping[str, Any] | None:
    return None if text is None else from_json(text)


def requirements_to_json(requirements: Requirements) -> str:
    """The JSON text that `requirements_from_json` reads back."""
    plain = asdict(requirements)
    for name in ("printers", "tags_all", "tags_none"):
        plain[name] = sorted(plain[name])
    return to_json(plain)


def requirements_from_json(text: str) -> Requirements:
    """The requirements stored with a job."""
    plain = from_json(text)
    volume = plain.get("build_volume")
    return Requirements(
        materials=tuple(MaterialNeed(**need) for need in plain.get("materials", ())),
        nozzle_mm=plain.get("nozzle_mm"),
        build_volume=Volume(**volume) if volume else None,
        printer_model=plain.get("printer_model"),
        printers=frozenset(plain.get("printers", ())),
        group=plain.get("group"),
        tags_all=frozenset(plain.get("tags_all", ())),
        tags_none=frozenset(plain.get("tags_none", ())),
        plate=plain.get("plate"),
    )


def job_from(row: Row) -> JobRecord:
    """One row of `jobs` as a value."""
    return JobRecord(
        id=row["id"],
        number=row["number"],
        version=row["version"],
        file_id=row["file_id"],
        name=row["name"],
        copies=row["copies"],
        priority=Priority(row["priority"]),
        due=_time(row["due"]),
        requirements=requirements_from_json(row["requirements"]),
        retries=row["retries"],
        hold=bool(row["hold"]),
        cancelled=bool(row["cancelled"]),
        customer=row["customer"],
        reference=row["reference"],
        origin=row["origin"],
        rank=row["rank"],
        created_at=from_micros(row["created_at"]),
    )


def print_from(row: Row) -> PrintRecord:
    """One row of `prints` as a value."""
    return PrintRecord(
        id=row["id"],
        number=row["number"],
        version=row["version"],
        job_id=row["job_id"],
        copy_no=row["copy_no"],
        try_no=row["try_no"],
        state=PrintState(row["state"]),
        printer_id=row["printer_id"],
        fence=row["fence"],
        attempt=row["attempt"],
        path=row["path"],
        sent_sha256=row["sent_sha256"],
        wants_cancel=bool(row["wants_cancel"]),
        confirmed=bool(row["confirmed"]),
        baseline=_json(row["baseline"]),
        intent_at=_time(row["intent_at"]),
        bed_before=row["bed_before"],
        exit_verdict=row["exit_verdict"],
        exit_by=row["exit_by"],
        exit_step=row["exit_step"],
        resolution=_json(row["resolution"]),
        evidence=_json(row["evidence"]),
        reason=row["reason"],
        not_before=_time(row["not_before"]),
        avoid_printer_id=row["avoid_printer_id"],
        assigned_printer_id=row["assigned_printer_id"],
        created_at=from_micros(row["created_at"]),
        claimed_at=_time(row["claimed_at"]),
        started_at=_time(row["started_at"]),
        ended_at=_time(row["ended_at"]),
    )
