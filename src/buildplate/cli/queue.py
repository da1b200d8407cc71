"""`buildplate queue …`: its order, stopping and releasing the farm, reordering."""

from __future__ import annotations

from typing import Annotated

import typer

from buildplate.cli import options
from buildplate.cli.output import as_json, lasts, moment, say, table
from buildplate.cli.server import server_of

app = typer.Typer(help="The queue.", no_args_is_help=True)


@app.command("list")
def list_(context: typer.Context, limit: options.Limit = 100, json: options.Json = False) -> None:
    """List what waits, in its order, with what to expect and why it waits."""
    with server_of(context) as server:
        page = server.get("/queue", limit=limit)
        found = page["items"]
        names = {} if json else {p["id"]: p["name"] for p in server.every("/printers")}
        numbers = (
            {} if json else {p["id"]: p["number"] for p in server.every("/prints", state="queued")}
        )
    if json:
        as_json(found)
        return
    if page["stopped"]:
        why = f": {page['stopped_reason']}" if page["stopped_reason"] else ""
        say(f"The farm is stopped{why}. Release it with: buildplate queue release")
    table(
        [
            ("", lambda q: q["position"]),
            ("print", lambda q: numbers.get(q["print_id"], q["print_id"])),
            ("job", lambda q: q["job_number"]),
            ("copy", lambda q: q["copy_no"]),
            ("priority", lambda q: q["priority"]),
            ("due", lambda q: moment(q["due"])),
            ("slack", lambda q: lasts(q["slack_s"]) if (q["slack_s"] or 0) >= 0 else "late"),
            ("should start", lambda q: moment(q["expected_start"])),
            ("on", lambda q: names.get(q["printer_id"], q["printer_id"])),
            ("waits for", lambda q: [f"{w['code']} ×{w['count']}" for w in q["waiting_summary"]]),
        ],
        found,
        "Nothing waits.",
    )


@app.command()
def stop(
    context: typer.Context,
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "",
    json: options.Json = False,
) -> None:
    """Stop the whole farm: nothing new starts, running prints go on."""
    with server_of(context) as server:
        found = server.post("/queue/stop", {"reason": reason})
    as_json(found) if json else say(
        "The farm is stopped; release it with: buildplate queue release"
    )


@app.command()
def release(
    context: typer.Context,
    anyway: Annotated[
        bool,
        typer.Option("--anyway", help="After a restore: although not every printer was seen."),
    ] = False,
    json: options.Json = False,
) -> None:
    """Release the farm."""
    with server_of(context) as server:
        found = server.post("/queue/release", {"anyway": True} if anyway else None)
    as_json(found) if json else say("The farm goes on.")


@app.command()
def reorder(
    context: typer.Context,
    job: options.Job,
    before: Annotated[
        str | None, typer.Option(help="The job to go ahead of; left out: the planner's own order.")
    ] = None,
    json: options.Json = False,
) -> None:
    """Put a job right ahead of another one of its priority."""
    with server_of(context) as server:
        server.post("/queue/reorder", {"job_id": job, "before": before})
    if json:
        as_json({"job": job, "before": before})
    else:
        say(f"Job {job} goes ahead of job {before}." if before else f"Job {job} has its own place.")


def add_to(main: typer.Typer) -> None:
    """Offer the commands."""
    main.add_typer(app, name="queue")
