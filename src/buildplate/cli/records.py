"""Commands on the record: who changed what, how time was spent, the farm in numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

import typer

from buildplate.cli import options
from buildplate.cli.failures import USAGE, fail
from buildplate.cli.jobs import time_of
from buildplate.cli.output import Column, as_json, fields, lasts, moment, percent, say, table, words
from buildplate.cli.server import server_of

SPENT = ("printing", "foreign", "idle", "waiting", "offline", "disabled", "unwatched")
Since = Annotated[str | None, typer.Option(metavar="TIME", help="From when on, as 2027-01-31.")]
Until = Annotated[str | None, typer.Option(metavar="TIME", help="Until when; now, if left out.")]


class By(StrEnum):
    """What time is added up by."""

    PRINTER = "printer"
    GROUP = "group"
    DAY = "day"


def audit(
    context: typer.Context,
    action: Annotated[
        str | None, typer.Option(help="Only this, as in 'POST /api/v1/jobs/{job_id}/cancel'.")
    ] = None,
    who: Annotated[str | None, typer.Option(metavar="ID", help="Only this user or key.")] = None,
    request: Annotated[
        str | None, typer.Option(metavar="ID", help="Only this request; logs name it, too.")
    ] = None,
    limit: options.Limit = 100,
    json: options.Json = False,
) -> None:
    """List who changed what, from where, newest first."""
    with server_of(context) as server:
        found = server.get("/audit", limit=limit, action=action, who_id=who, request_id=request)
    if json:
        as_json(found["items"])
        return
    table(
        [
            ("at", lambda e: moment(e["at"])),
            ("who", lambda e: e["who_name"]),
            ("from", lambda e: e["address"]),
            ("did", lambda e: e["action"]),
            ("on", lambda e: e["path"]),
            ("changed", _changed),
        ],
        found["items"],
        "Nobody changed anything.",
    )


def _changed(entry: Mapping[str, Any]) -> str:
    told = []
    for change in entry["changes"]:
        before, after = change["before"] or {}, change["after"] or {}
        names = [name for name in after or before if name not in ("version", "updated_at")]
        steps = (f"{name} {words(before.get(name))} → {words(after.get(name))}" for name in names)
        told.append(f"{change['table']}: {', '.join(steps)}")
    return "; ".join(told)


def stats(context: typer.Context, json: options.Json = False) -> None:
    """Show the farm in numbers: printers, jobs, the queue, and how prints ended."""
    with server_of(context) as server:
        found = server.get("/dashboard/stats")
    if json:
        as_json(found)
        return
    shown = {
        "printers": _counts(found["printers"]),
        "jobs": _counts(found["jobs"]),
        "waiting prints": f"{found['queued_prints']}, {found['late_prints']} of them late",
        "last 24 hours": _tally(found["last_day"]),
        "last 7 days": _tally(found["last_week"]),
    }
    fields(shown, shown)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {words(what)}" for what, count in counts.items() if count) or "none"


def _tally(tally: Mapping[str, Any]) -> str:
    rate = tally["success_rate"]
    ended = f"{tally['completed']} completed, {tally['failed']} failed, "
    ended += f"{tally['cancelled']} cancelled, {lasts(tally['printed_s'])} of printing"
    return ended if rate is None else f"{ended}, {percent(rate)} succeeded"


def utilization(
    context: typer.Context,
    since: Since = None,
    until: Until = None,
    by: Annotated[By, typer.Option(help="What to add up by.")] = By.PRINTER,
    json: options.Json = False,
) -> None:
    """Show how printers spent their time: the last seven days, if nothing is said."""
    columns: list[Column] = [
        ("printing", lambda row: percent(row["utilization"])),
        *((what, lambda row, what=what: lasts(row[f"{what}_s"])) for what in SPENT),
    ]
    sums = Sums("/analytics/utilization", by, columns, "Nothing was written down in that time.")
    show_sums(context, sums, (since, until), json=json)


@dataclass(frozen=True, slots=True)
class Sums:
    """What a path of the API adds up by something, and the columns that show it."""

    path: str
    by: StrEnum
    columns: Sequence[Column]
    nothing: str


def show_sums(
    context: typer.Context, sums: Sums, span: tuple[str | None, str | None], *, json: bool
) -> None:
    """Show sums over a span of time, line by line, and what they come to in all."""
    asked = {"since": time_of(span[0], "--since"), "until": time_of(span[1], "--until")}
    with server_of(context) as server:
        found = server.get(sums.path, by=sums.by.value, **asked)
        names = server.printer_names() if sums.by.value == By.PRINTER.value and not json else {}
    if json:
        as_json(found)
        return
    rows = [*found["items"], found["total"] | {"key": "all"}]
    first = (sums.by.value, lambda row: names.get(row["key"], row["key"]))
    table([first, *sums.columns], rows if found["items"] else [], sums.nothing)


def history(
    context: typer.Context,
    printer: options.Printer,
    since: Since = None,
    limit: options.Limit = 1000,
    every: Annotated[
        float, typer.Option(metavar="SECONDS", help="One reading in so many; 0: all there are.")
    ] = 10.0,
    json: options.Json = False,
) -> None:
    """Show a printer's past temperatures in °C, oldest first: of the last hour by default."""
    with server_of(context) as server:
        path = f"/printers/{server.printer(printer)}/temperatures"
        since = time_of(since, "--since")
        found = server.get(path, since=since, limit=limit, every=every)["items"]
    if json:
        as_json(found)
        return
    heaters = sorted({name for sample in found for name in sample["temperatures"]})
    table(
        [
            ("at", lambda sample: moment(sample["at"])),
            *((name, lambda sample, name=name: _degrees(sample, name)) for name in heaters),
        ],
        found,
        "No temperatures were written down in that time.",
    )


def _degrees(sample: Mapping[str, Any], heater: str) -> str:
    heat = sample["temperatures"].get(heater)
    if heat is None:
        return "–"
    target = heat["target"]
    return f"{heat['actual']:.1f}" + (f" → {target:g}" if target else "")


def whoami(context: typer.Context, json: options.Json = False) -> None:
    """Show who the server takes you for, and what you may do."""
    with server_of(context) as server:
        found = server.get("/me")
    as_json(found) if json else fields(found, ("name", "kind", "role", "groups", "expires_at"))


def log_level(
    context: typer.Context,
    level: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ROOM=LEVEL]...", help="As in fleet=debug; fleet= takes it back."),
    ] = None,
    json: options.Json = False,
) -> None:
    """Show how much each room of the server logs, or change it until its next start."""
    wanted: dict[str, str | None] = {}
    for one in level or ():
        room, equals, value = one.partition("=")
        if not equals:
            fail(f"{one}: write a room and its level, as in fleet=debug", code=USAGE)
        wanted[room] = value or None
    with server_of(context) as server:
        if wanted:
            found = server.patch("/settings", {"log_levels": wanted})
        else:
            found = server.get("/settings")
    if json:
        as_json(found)
        return
    for room, shown in found["log_levels"].items():
        say(f"{room.ljust(8)}  {shown}")


def add_to(app: typer.Typer) -> None:
    """Offer the commands."""
    for command in (audit, stats, utilization, history, whoami):
        app.command()(command)
    app.command("log-level")(log_level)
