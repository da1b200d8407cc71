"""`buildplate job …`: order copies, see how far they are, hold, release, cancel, retry."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from buildplate.cli import options
from buildplate.cli.failures import USAGE, fail
from buildplate.cli.files import file_for
from buildplate.cli.materials import FORM, materials, volume
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


Material = Annotated[
    list[str] | None,
    typer.Option("--material", metavar=FORM, help="What each tool must hold."),
]
Tag = Annotated[list[str] | None, typer.Option("--tag", help="A tag to ask for.")]
WithoutTag = Annotated[list[str] | None, typer.Option("--without-tag", help="A tag to shun.")]
BuildVolume = Annotated[
    str | None, typer.Option("--build-volume", metavar="SIZE", help="In mm, as in 250x210x220.")
]
Nozzle = Annotated[float | None, typer.Option(help="The nozzle's diameter in mm.")]
Model = Annotated[str | None, typer.Option(help="Only on this model of printer.")]
Plate = Annotated[str | None, typer.Option(help="Only on this plate.")]
Group = Annotated[str | None, typer.Option(help="Only in this group.")]


def _asked(
    material: list[str] | None,
    tag: list[str] | None,
    without_tag: list[str] | None,
    build_volume: str | None,
    nozzle: float | None,
    model: str | None,
    plate: str | None,
    group: str | None,
) -> dict[str, Any]:
    """What a job asks of printers, as the API takes it."""
    wanted = {
        "materials": materials(material, "grams"),
        "tags_all": tag,
        "tags_none": without_tag,
        "build_volume": None if build_volume is None else volume(build_volume),
        "nozzle_mm": nozzle,
        "printer_model": model,
        "plate": plate,
        "group": group,
    }
    return {name: value for name, value in wanted.items() if value not in (None, [])}


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
    material: Material = None,
    tag: Tag = None,
    without_tag: WithoutTag = None,
    build_volume: BuildVolume = None,
    nozzle: Nozzle = None,
    model: Model = None,
    plate: Plate = None,
    group: Group = None,
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
    asked = _asked(material, tag, without_tag, build_volume, nozzle, model, plate, group)
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


@app.command()
def edit(
    context: typer.Context,
    job: options.Job,
    copies: Annotated[int | None, typer.Option(min=1, help="How many.")] = None,
    priority: Annotated[Priority | None, typer.Option(help="How urgent.")] = None,
    due: Annotated[str | None, typer.Option(metavar="TIME", help="When it must be ready.")] = None,
    name: Annotated[str | None, typer.Option(help="What to call it.")] = None,
    printer: Annotated[
        list[str] | None, typer.Option("--printer", help="Only on this printer; may be repeated.")
    ] = None,
    material: Material = None,
    tag: Tag = None,
    without_tag: WithoutTag = None,
    build_volume: BuildVolume = None,
    nozzle: Nozzle = None,
    model: Model = None,
    plate: Plate = None,
    group: Group = None,
    retries: Annotated[int | None, typer.Option(min=0, help="For each copy.")] = None,
    customer: Annotated[str | None, typer.Option(help="For whom.")] = None,
    reference: Annotated[str | None, typer.Option(help="Their number for it.")] = None,
    json: options.Json = False,
) -> None:
    """Change what a job asks for; what you leave out stays, prints on printers go on."""
    asked = _asked(material, tag, without_tag, build_volume, nozzle, model, plate, group)
    with server_of(context) as server:
        if printer:
            asked["printers"] = [server.printer(one) for one in printer]
        wanted = {
            "copies": copies,
            "priority": priority and priority.value,
            "due": time_of(due, "--due"),
            "name": name,
            "retries": retries,
            "customer": customer,
            "reference": reference,
            "requirements": asked or None,
        }
        body = {field: value for field, value in wanted.items() if value is not None}
        if not body:
            fail("say what to change", "See: buildplate job edit --help", code=USAGE)
        found = server.patch(f"/jobs/{job}", body)
    as_json(found) if json else fields(found, SHOWN)


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
        names = {} if json else server.names_for(found["prints"])
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


def add_to(main: typer.Typer) -> None:
    """Offer the commands."""
    main.add_typer(app, name="job")
