"""`buildplate job …`: order copies, see how far they are, hold, release, cancel, retry."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from buildplate.cli import options
from buildplate.cli.failures import USAGE, fail
from buildplate.cli.files import file_for
from buildplate.cli.materials import FORM, materials
from buildplate.cli.output import as_json, fields, moment, percent, say, table, when
from buildplate.cli.server import Server, server_of

app = typer.Typer(help="Jobs: orders of copies.", no_args_is_help=True)
SHOWN = (
    "number", "id", "name", "state", "copies", "finished", "active", "queued", "failed", "priority",
    "due", "overdue", "hold", "retries", "requirements", "customer", "reference", "origin",
    "file_id", "created_at",
)  # fmt: skip


class Priority(StrEnum):
    """How much a job matters."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    URGENT = "urgent"


def time_of(text: str | None, option: str) -> str | None:
    """The time an option names, as the API takes it; ends the command where it is none."""
    if text is None:
        return None
    try:
        return when(text)
    except ValueError:
        return fail(f"{option} {text}: write a time, as in 2027-01-31T12:00", code=USAGE)


def order(server: Server, file: str, printers: list[str] | None, **body: Any) -> dict[str, Any]:
    """Order copies of a file."""
    key = body.pop("key", None)
    asked = body.pop("requirements", {})
    if printers:
        asked["printers"] = [server.printer(one) for one in printers]
    wanted = {name: value for name, value in body.items() if value is not None}
    content = {"file_id": file_for(server, file), "requirements": asked, **wanted}
    found: dict[str, Any] = server.post("/jobs", content, idempotency_key=key)
    return found


@app.command()
def add(
    context: typer.Context,
    file: Annotated[str, typer.Argument(help="A file here, or a stored one's name or id.")],
    copies: Annotated[int, typer.Option(min=1, help="How many.")] = 1,
    priority: Annotated[Priority, typer.Option(help="How urgent.")] = Priority.NORMAL,
    due: Annotated[str | None, typer.Option(metavar="TIME", help="When it must be ready.")] = None,
    name: Annotated[str | None, typer.Option(help="What to call it.")] = None,
    printer: Annotated[
        list[str] | None, typer.Option("--printer", help="Only on this printer; may be repeated.")
    ] = None,
    material: Annotated[
        list[str] | None,
        typer.Option("--material", metavar=FORM, help="What each tool must hold."),
    ] = None,
    tag: Annotated[list[str] | None, typer.Option("--tag", help="A tag to ask for.")] = None,
    retries: Annotated[int | None, typer.Option(min=0, help="For each copy.")] = None,
    hold: Annotated[bool, typer.Option("--hold", help="Start nothing before its release.")] = False,
    customer: Annotated[str | None, typer.Option(help="For whom.")] = None,
    reference: Annotated[str | None, typer.Option(help="Their number for it.")] = None,
    key: Annotated[
        str | None, typer.Option(help="An idempotency key: repeated, it orders nothing new.")
    ] = None,
    json: options.Json = False,
) -> None:
    """Order copies of a file; a file that lies here is uploaded first."""
    asked: dict[str, Any] = {}
    if material:
        asked["materials"] = materials(material, "grams")
    if tag:
        asked["tags_all"] = tag
    with server_of(context) as server:
        job = order(
            server,
            file,
            printer,
            requirements=asked,
            copies=copies,
            priority=priority.value,
            due=time_of(due, "--due"),
            name=name,
            retries=retries,
            hold=hold or None,
            customer=customer,
            reference=reference,
            key=key,
        )
    as_json(job) if json else say(f"Job {job['number']}: {job['copies']} × {job['name']}")


@app.command("list")
def list_(context: typer.Context, limit: options.Limit = 50, json: options.Json = False) -> None:
    """List jobs, newest first."""
    with server_of(context) as server:
        found = server.get("/jobs", limit=limit)["items"]
    if json:
        as_json(found)
        return
    table(
        [
            ("#", lambda j: j["number"]),
            ("job", lambda j: j["name"]),
            ("state", lambda j: f"{j['state']}{', on hold' if j['hold'] else ''}"),
            ("done", lambda j: f"{j['finished']}/{j['copies']}"),
            ("active", lambda j: j["active"]),
            ("failed", lambda j: j["failed"]),
            ("priority", lambda j: j["priority"]),
            ("due", lambda j: moment(j["due"]) + (" late" if j["overdue"] else "")),
        ],
        found,
        "There are no jobs: buildplate job add",
    )


@app.command()
def show(context: typer.Context, job: options.Job, json: options.Json = False) -> None:
    """Show a job as it was ordered."""
    with server_of(context) as server:
        found = server.get(f"/jobs/{job}")
    as_json(found) if json else fields(found, SHOWN)


@app.command()
def status(context: typer.Context, job: options.Job, json: options.Json = False) -> None:
    """Show how far a job is, print by print."""
    with server_of(context) as server:
        found = server.get(f"/jobs/{job}/status")
        names = {} if json else {p["id"]: p["name"] for p in server.every("/printers")}
    if json:
        as_json(found)
        return
    late = ", overdue" if found["overdue"] else ""
    hold = ", on hold" if found["hold"] else ""
    say(
        f"Job {found['number']} is {found['state']}{hold}{late}: {found['finished']} of "
        f"{found['copies']} done, {percent(found['progress'])}"
    )
    if found["expected_end"]:
        say(f"Should end {moment(found['expected_end'])}")
    table(
        [
            ("print", lambda p: p["number"]),
            ("copy", lambda p: p["copy_no"]),
            ("try", lambda p: p["try_no"]),
            ("state", lambda p: p["state"]),
            ("printer", lambda p: names.get(p["printer_id"], p["printer_id"])),
            ("progress", lambda p: percent(p["progress"])),
            ("reason", lambda p: p["reason"]),
        ],
        found["prints"],
        "It has no prints.",
    )


def _do(context: typer.Context, job: str, verb: str, json: bool) -> None:
    with server_of(context) as server:
        found = server.post(f"/jobs/{job}/{verb}")
    if json:
        as_json(found)
    else:
        hold = ", on hold" if found["hold"] else ""
        say(f"Job {found['number']} is {found['state']}{hold}.")


@app.command()
def cancel(context: typer.Context, job: options.Job, json: options.Json = False) -> None:
    """Cancel a job; what runs of it ends on its printer."""
    _do(context, job, "cancel", json)


@app.command()
def hold(context: typer.Context, job: options.Job, json: options.Json = False) -> None:
    """Hold a job: nothing new of it starts."""
    _do(context, job, "hold", json)


@app.command()
def release(context: typer.Context, job: options.Job, json: options.Json = False) -> None:
    """Release a held job."""
    _do(context, job, "release", json)


@app.command()
def retry(context: typer.Context, job: options.Job, json: options.Json = False) -> None:
    """Queue again the copies that are missing."""
    _do(context, job, "retry", json)


@app.command()
def duplicate(context: typer.Context, job: options.Job, json: options.Json = False) -> None:
    """Order the same again."""
    _do(context, job, "duplicate", json)
