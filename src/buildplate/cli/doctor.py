"""`buildplate doctor`: what is wrong with a farm, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import typer

from buildplate.cli import options
from buildplate.cli.failures import REFUSED
from buildplate.cli.output import as_json, say, table
from buildplate.cli.server import server_of

SKEW_S = 30.0
LATE_S = 0.25
LITTLE_ROOM = 1_000_000_000
LONG_QUEUE = 1000
Finding = dict[str, str]


def doctor(context: typer.Context, json: options.Json = False) -> None:
    """Examine the running server, or with --data-dir the data that none runs on.

    Exit code 1 where something failed; warnings alone are 0.
    """
    found = _of_data(context) if context.obj.data_dir is not None else _of_server(context)
    failed = any(one["status"] == "failed" for one in found)
    if json:
        as_json({"ok": not failed, "findings": found})
    else:
        _show(found)
    raise typer.Exit(REFUSED if failed else 0)


def _show(found: Sequence[Finding]) -> None:
    table(
        [
            ("", lambda one: one["status"]),
            ("check", lambda one: one["check"]),
            ("found", lambda one: one["detail"]),
        ],
        found,
        "Nothing was examined.",
    )
    for one in found:
        if one["remedy"]:
            say(f"\n{one['check']}: {one['remedy']}")


def _of_data(context: typer.Context) -> list[Finding]:
    from dataclasses import asdict

    from buildplate.cli.examination import examined

    return [asdict(finding) for finding in examined(context.obj.data_dir)]


def _of_server(context: typer.Context) -> list[Finding]:
    with server_of(context) as server:
        health = server.health()
    return list(findings_of(health, datetime.now(UTC)))


def findings_of(health: Mapping[str, Any], now: datetime) -> Iterator[Finding]:
    """What a server says of itself, as findings; `now` is the time here."""
    system = health["system"]
    detail = (
        f"Buildplate {health['version']}, Python {system['python']}, "
        f"SQLite {system['sqlite']}, {system['openssl']}"
    )
    yield _finding("versions", "ok", detail)
    yield _database(health["database"])
    yield _disk(health["storage"])
    secrets = health["secrets"]
    status = "failed" if secrets["problem"] else "ok"
    yield _finding("key file", status, secrets["problem"] or "it is there", secrets["hint"])
    yield _clock(system["time"], now)
    yield _load(health["event_loop_lag_s"])
    yield _queue(health)
    for printer in health["each_printer"]:
        yield _printer(printer)


def _finding(check: str, status: str, detail: str, remedy: str = "") -> Finding:
    return {"check": check, "status": status, "detail": detail, "remedy": remedy}


def _database(database: Mapping[str, Any]) -> Finding:
    if database["status"] != "ok":
        remedy = "Look at the server's log and at its disk; nothing new is started meanwhile."
        return _finding("database", "failed", "it does not answer", remedy)
    return _finding("database", "ok", f"it answers in {1000 * database['answer_s']:.0f} ms")


def _disk(storage: Mapping[str, Any]) -> Finding:
    free = storage["free_bytes"]
    if free is None:
        return _finding(
            "disk", "failed", "it does not answer", "Look at the disk of the server's data folder."
        )
    status = "ok" if free >= LITTLE_ROOM else "failed"
    remedy = "" if status == "ok" else "Delete print files that are not needed."
    return _finding("disk", status, f"{free / 1e9:.1f} GB free", remedy)


def _clock(theirs: str, now: datetime) -> Finding:
    apart = (now - datetime.fromisoformat(theirs)).total_seconds()
    if abs(apart) > SKEW_S:
        detail = f"the server's clock and the one here are {abs(apart):.0f} s apart"
        remedy = "Keep both by NTP: timedatectl set-ntp true"
        return _finding("clock", "failed", detail, remedy)
    return _finding("clock", "ok", f"the server's and the one here agree: {theirs}")


def _load(lag: float | None) -> Finding:
    if lag is not None and lag > LATE_S:
        detail = f"the server's event loop is {1000 * lag:.0f} ms late"
        return _finding("load", "warning", detail, "Give the machine more processor.")
    return _finding("load", "ok", "the server keeps up")


def _queue(health: Mapping[str, Any]) -> Finding:
    work, asking = health["queue"], health["printers"]["attention"]
    if work["waiting"] is None:
        return _finding("queue", "failed", "it cannot be read", "See: database.")
    detail = f"{work['waiting']} prints wait, {work['active']} have a printer, {asking} need a word"
    if asking:
        remedy = "Look at the beds, then: buildplate print list"
        return _finding("queue", "warning", detail, remedy)
    if work["waiting"] > LONG_QUEUE:
        return _finding("queue", "warning", detail, "See why they wait: buildplate queue list")
    return _finding("queue", "ok", detail)


def _printer(printer: Mapping[str, Any]) -> Finding:
    check = f"printer {printer['number']} {printer['name']}"
    if printer["problem"]:
        return _finding(check, "failed", printer["problem"], printer["hint"])
    status = "ok" if printer["link"] in ("online", "disabled") else "warning"
    remedy = "" if status == "ok" else "Wait a moment and ask again."
    return _finding(check, status, printer["link"], remedy)


def add_to(app: typer.Typer) -> None:
    """Offer the command."""
    app.command()(doctor)
