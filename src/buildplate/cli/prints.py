"""`buildplate print …`: start one, look, pause, resume, cancel, resolve, and why one waits."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from buildplate.cli import options
from buildplate.cli.jobs import order
from buildplate.cli.output import as_json, fields, moment, percent, say, table, words
from buildplate.cli.server import server_of

app = typer.Typer(help="Prints: single attempts at a copy.", no_args_is_help=True)
SHOWN = (
    "number", "id", "job_id", "copy_no", "try_no", "state", "reason", "printer_id", "progress",
    "time_left_s", "file_name", "wants_cancel", "confirmed", "evidence", "resolution",
    "created_at", "claimed_at", "intent_at", "started_at", "ended_at",
)  # fmt: skip


class Outcome(StrEnum):
    """How a print ended, as a person saw it."""

    COMPLETED = "completed"
    FAILED = "failed"
    NOT_STARTED = "not_started"


class SeenBed(StrEnum):
    """What a person saw on the bed."""

    CLEAR = "clear"
    OCCUPIED = "occupied"


@app.command("list")
def list_(
    context: typer.Context,
    state: Annotated[str | None, typer.Option(help="Only those in this state.")] = None,
    job: Annotated[str | None, typer.Option(help="Only those of this job.")] = None,
    printer: Annotated[str | None, typer.Option(help="Only those on this printer.")] = None,
    limit: options.Limit = 50,
    json: options.Json = False,
) -> None:
    """List prints, newest first."""
    with server_of(context) as server:
        where = server.printer(printer) if printer else None
        found = server.get("/prints", state=state, job=job, printer=where, limit=limit)["items"]
        names = {} if json else server.names_for(found)
    if json:
        as_json(found)
        return
    table(
        [
            ("#", lambda p: p["number"]),
            ("state", lambda p: p["state"]),
            ("printer", lambda p: names.get(p["printer_id"], p["printer_id"])),
            ("copy", lambda p: p["copy_no"]),
            ("try", lambda p: p["try_no"]),
            ("progress", lambda p: percent(p["progress"])),
            ("began", lambda p: moment(p["started_at"])),
            ("ended", lambda p: moment(p["ended_at"])),
            ("reason", lambda p: p["reason"]),
        ],
        found,
        "There are no prints.",
    )


@app.command()
def show(context: typer.Context, print_: options.Print, json: options.Json = False) -> None:
    """Show a print with what the printer said of it."""
    with server_of(context) as server:
        found = server.get(f"/prints/{print_}")
    as_json(found) if json else fields(found, SHOWN)


@app.command()
def start(
    context: typer.Context,
    file: Annotated[str, typer.Argument(help="A file here, or a stored one's name or id.")],
    printer: Annotated[str | None, typer.Option(help="Only on this printer.")] = None,
    copies: Annotated[int, typer.Option(min=1, help="How many.")] = 1,
    json: options.Json = False,
) -> None:
    """Order a file and see where it goes; it starts as soon as a printer is ready."""
    with server_of(context) as server:
        job = order(server, file, [printer] if printer else None, copies=copies)
    if json:
        as_json(job)
        return
    say(f"Job {job['number']}: {job['copies']} × {job['name']}")
    say(f"Follow it with: buildplate job status {job['number']}")


def _ask(context: typer.Context, print_: str, verb: str, json: bool) -> None:
    with server_of(context) as server:
        found = server.post(f"/prints/{print_}/{verb}")
    as_json(found) if json else say(f"Asked the printer to {verb}.")


@app.command()
def pause(context: typer.Context, print_: options.Print, json: options.Json = False) -> None:
    """Pause a running print."""
    _ask(context, print_, "pause", json)


@app.command()
def resume(context: typer.Context, print_: options.Print, json: options.Json = False) -> None:
    """Resume a paused print."""
    _ask(context, print_, "resume", json)


def _result(found: dict[str, Any], json: bool) -> None:
    if json:
        as_json(found)
    else:
        wish = ", to be cancelled" if found["wants_cancel"] and not found["ended_at"] else ""
        say(f"Print {found['number']} is {found['state']}{wish}.")


@app.command()
def cancel(context: typer.Context, print_: options.Print, json: options.Json = False) -> None:
    """Wish for a print's end."""
    with server_of(context) as server:
        found = server.post(f"/prints/{print_}/cancel")
    _result(found, json)


@app.command()
def confirm(context: typer.Context, print_: options.Print, json: options.Json = False) -> None:
    """Let a print start on a printer that asks for a person's word."""
    with server_of(context) as server:
        found = server.post(f"/prints/{print_}/confirm")
    _result(found, json)


@app.command()
def resolve(
    context: typer.Context,
    print_: options.Print,
    outcome: Annotated[Outcome, typer.Option(help="How it ended.")],
    bed: Annotated[SeenBed, typer.Option(help="What lies on the bed.")],
    override: Annotated[
        bool, typer.Option("--override", help="Although the printer can't be reached; recorded.")
    ] = False,
    json: options.Json = False,
) -> None:
    """Say how a print ended that needs attention: you have eyes."""
    body = {"outcome": outcome.value, "bed": bed.value, "override": override}
    with server_of(context) as server:
        found = server.post(f"/prints/{print_}/resolve", body)
    _result(found, json)


@app.command()
def why(context: typer.Context, print_: options.Print, json: options.Json = False) -> None:
    """Say, printer by printer, why a queued print does not start, and what would change that."""
    with server_of(context) as server:
        found = server.get(f"/prints/{print_}/waiting")["items"]
        print_now = server.get(f"/prints/{print_}")
        names = {} if json else server.printer_names()
    if json:
        as_json(found)
        return
    if print_now["state"] != "queued":
        why_so = f": {print_now['reason']}" if print_now["reason"] else ""
        say(
            f"Print {print_now['number']} does not wait, it is {words(print_now['state'])}{why_so}."
        )
        return
    table(
        [
            ("printer", lambda r: names.get(r["printer_id"], r["printer_id"])),
            ("code", lambda r: r["code"]),
            ("because", lambda r: r["detail"]),
            ("what helps", lambda r: _help(r["unblock"])),
        ],
        found,
        "Nothing keeps it waiting.",
    )


def _help(unblock: dict[str, Any]) -> str:
    if unblock["method"] is None:
        waits = unblock["params"].get("for", "")
        return f"wait ({waits})" if waits else "wait"
    asked = {k: v for k, v in unblock["params"].items() if k != "bed_version"}
    return " ".join(
        filter(None, (unblock["action"].replace("_", " "), words(asked) if asked else ""))
    )


def add_to(main: typer.Typer) -> None:
    """Offer the commands."""
    main.add_typer(app, name="print")
