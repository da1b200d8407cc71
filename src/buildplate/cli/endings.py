"""Commands on how prints ended: the list, sums of it, and what was made in time."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from buildplate.cli import options
from buildplate.cli.jobs import time_of
from buildplate.cli.output import Column, as_json, lasts, moment, percent, say, table
from buildplate.cli.records import Since, Sums, Until, show_sums
from buildplate.cli.server import server_of


class Of(StrEnum):
    """What outcomes are counted by."""

    PRINTER = "printer"
    MATERIAL = "material"
    REASON = "reason"


class Ended(StrEnum):
    """How a print ended."""

    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    NOT_STARTED = "not_started"


def ended(
    context: typer.Context,
    state: Annotated[Ended | None, typer.Option(help="Only those that ended so.")] = None,
    printer: Annotated[str | None, typer.Option(help="Only those of this printer.")] = None,
    text: Annotated[
        str | None, typer.Option(help="Only with this in a name, customer, reference or reason.")
    ] = None,
    since: Since = None,
    until: Until = None,
    limit: options.Limit = 100,
    json: options.Json = False,
) -> None:
    """List the prints that ended, the last one first."""
    asked = {"since": time_of(since, "--since"), "until": time_of(until, "--until")}
    with server_of(context) as server:
        of = server.printer(printer) if printer else None
        how = state.value if state else None
        found = server.get("/history", limit=limit, state=how, printer=of, text=text, **asked)
    if json:
        as_json(found["items"])
        return
    table(
        [
            ("#", lambda one: one["number"]),
            ("ended", lambda one: moment(one["ended_at"])),
            ("how", lambda one: one["state"]),
            ("job", lambda one: one["job_name"]),
            ("printer", lambda one: one["printer_name"]),
            ("took", lambda one: lasts(one["printed_s"])),
            ("reason", lambda one: one["reason"]),
            ("notes", lambda one: "; ".join(note["text"] for note in one["notes"])),
        ],
        found["items"],
        "No print has ended like that.",
    )


def outcomes(
    context: typer.Context,
    since: Since = None,
    until: Until = None,
    by: Annotated[Of, typer.Option(help="What to count by.")] = Of.PRINTER,
    json: options.Json = False,
) -> None:
    """Count how prints ended: those of the last 30 days, if nothing is said."""
    columns: list[Column] = [
        ("succeeded", lambda row: percent(row["success_rate"])),
        *((how.value, lambda row, how=how.value: row[how]) for how in Ended),
    ]
    sums = Sums("/analytics/outcomes", by, columns, "No print has ended in that time.")
    show_sums(context, sums, (since, until), json=json)


def lateness(
    context: typer.Context, since: Since = None, until: Until = None, json: options.Json = False
) -> None:
    """Show which jobs were made in time: of those due in the last 30 days, if nothing is said."""
    asked = {"since": time_of(since, "--since"), "until": time_of(until, "--until")}
    with server_of(context) as server:
        found = server.get("/analytics/lateness", **asked)
    if json:
        as_json(found)
        return
    table(
        [
            ("#", lambda job: job["number"]),
            ("job", lambda job: job["name"]),
            ("due", lambda job: moment(job["due"])),
            ("made", lambda job: f"{job['made']} of {job['copies']}"),
            ("late by", lambda job: lasts(job["late_s"]) if job["late_s"] > 0 else None),
        ],
        found["items"],
        "No job was due in that time.",
    )
    if found["items"]:
        say(f"{found['in_time']} in time, {found['late']} late")


def add_to(app: typer.Typer) -> None:
    """Offer the commands."""
    for command in (ended, outcomes, lateness):
        app.command()(command)
