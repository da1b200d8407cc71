"""`buildplate printer …`: add, look, change, retire, and what is done at the machine."""

from __future__ import annotations

import shlex
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from buildplate.cli import completion, options, panel
from buildplate.cli.discovering import discover
from buildplate.cli.failures import USAGE, fail, note
from buildplate.cli.farm import doing
from buildplate.cli.floors import place
from buildplate.cli.materials import FORM, materials, volume
from buildplate.cli.output import as_json, fields, say, table
from buildplate.cli.patience import until, waiting
from buildplate.cli.server import Server, server_of

app = typer.Typer(help="Printers.", no_args_is_help=True)

SHOWN = (
    "number", "id", "name", "driver", "connection", "link", "activity", "ready", "problem", "hint",
    "bed", "bed_reason", "print_id", "needs_attention", "enabled", "maintenance", "model", "plate",
    "materials", "tags", "location", "group", "floor_position", "bed_policy", "start_policy",
)  # fmt: skip


UNREAD = ("connecting", "syncing", "offline")
READ_S = 15.0


class Clearing(StrEnum):
    """Who clears a bed after a print."""

    MANUAL = "manual"
    AUTOMATIC = "automatic"


class Start(StrEnum):
    """Whether a print starts by itself."""

    AUTOMATIC = "automatic"
    CONFIRM = "confirm"


Connection = Annotated[
    list[str] | None,
    typer.Option(
        "--connection",
        metavar="KEY=VALUE",
        help="A field of the driver's form; KEY=@FILE reads it from a file, KEY=@- from stdin.",
    ),
]
Model = Annotated[str | None, typer.Option(help="What machine it is.")]
Volume = Annotated[
    str | None, typer.Option("--build-volume", metavar="SIZE", help="In mm, as in 250x210x220.")
]
Nozzle = Annotated[
    list[float] | None, typer.Option("--nozzle", help="A nozzle's diameter in mm, tool by tool.")
]
Material = Annotated[
    list[str] | None,
    typer.Option(
        "--material", metavar=FORM, help="What is loaded, tool by tool, as in PLA/black:250."
    ),
]
Tag = Annotated[list[str] | None, typer.Option("--tag", help="A tag.")]
Name = Annotated[str | None, typer.Option(help="What people call it.")]
Plate = Annotated[str | None, typer.Option(help="Which plate lies on it.")]
Location = Annotated[str | None, typer.Option(help="Where it stands.")]
Group = Annotated[
    str | None,
    typer.Option(
        help="The group it belongs to; one that is not there yet is made.",
        autocompletion=completion.groups,
    ),
]
Floor = Annotated[
    str | None,
    typer.Option(help="The floor it stands on: a name or an id.", autocompletion=completion.floors),
]
At = Annotated[
    str | None,
    typer.Option(metavar="X,Y", help="Its middle, in mm from the left and the top of the plan."),
]
Rotation = Annotated[
    float | None, typer.Option(min=0, max=359.999, help="How far it is turned clockwise, in °.")
]
MaxNozzle = Annotated[float | None, typer.Option(help="The hottest its nozzle may get, in °C.")]
MaxBed = Annotated[float | None, typer.Option(help="The hottest its bed may get, in °C.")]


def _pairs(server: Server, driver: str, given: list[str] | None) -> dict[str, Any]:
    """KEY=VALUE pairs as the driver's form wants them."""
    forms = {one["name"]: one for one in server.get("/drivers")["items"]}
    form = forms.get(driver, {})
    wanted = form.get("connection_schema", {}).get("properties", {})
    pairs: dict[str, Any] = {}
    for pair in given or ():
        name, equals, value = pair.partition("=")
        if not equals:
            fail(f"--connection {name}: write KEY=VALUE", code=USAGE)
        if value.startswith("@"):
            value = _from_file(name, value.removeprefix("@"))
        elif name in form.get("secrets", ()):
            note(f"Others on this machine can see {name} in the process list: use {name}=@FILE.")
        pairs[name] = _typed(name, value, wanted.get(name, {}).get("type"))
    return pairs


def _from_file(name: str, path: str) -> str:
    """What stands in a file, or comes through standard input where the path is `-`."""
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        return fail(f"--connection {name}: {path} cannot be read: {error}", code=USAGE)
    return text.strip()


def _typed(name: str, value: str, kind: Any) -> Any:
    try:
        match kind:
            case "integer":
                return int(value)
            case "number":
                return float(value)
            case "boolean":
                return {"true": True, "yes": True, "false": False, "no": False}[value.lower()]
            case _:
                return value
    except (ValueError, KeyError):
        return fail(f"--connection {name}: {value} is no {kind}", code=USAGE)


def _model(
    name: str | None,
    size: str | None,
    nozzles: list[float] | None,
    max_nozzle: float | None,
    max_bed: float | None,
) -> dict[str, Any]:
    model: dict[str, Any] = {
        "name": name,
        "nozzles_mm": nozzles or None,
        "max_nozzle_c": max_nozzle,
        "max_bed_c": max_bed,
        "build_volume": None if size is None else volume(size),
    }
    return {key: value for key, value in model.items() if value is not None}


def _given(**fields_: Any) -> dict[str, Any]:
    return {name: value for name, value in fields_.items() if value not in (None, [], {}, ())}


def _show(printer: dict[str, Any], json: bool) -> None:
    if json:
        as_json(printer)
    else:
        fields(printer, SHOWN)


@app.command()
def add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="What people call it.")],
    driver: Annotated[str, typer.Option(help="The family of printers: octoprint, virtual …")],
    connection: Connection = None,
    build_volume: Volume = None,
    nozzle: Nozzle = None,
    model: Model = None,
    max_nozzle: MaxNozzle = None,
    max_bed: MaxBed = None,
    material: Material = None,
    plate: Plate = None,
    tag: Tag = None,
    location: Location = None,
    group: Group = None,
    floor: Floor = None,
    at: At = None,
    rotation: Rotation = None,
    bed: Annotated[Clearing | None, typer.Option(help="Who clears the bed.")] = None,
    start: Annotated[Start | None, typer.Option(help="Whether prints wait for a word.")] = None,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="Don't wait until it has been read once.")
    ] = False,
    json: options.Json = False,
) -> None:
    """Add a printer and wait, up to 15 s, for its first word. Its bed is yours to clear."""
    with server_of(context) as server:
        body = _given(
            name=name,
            driver=driver,
            connection=_pairs(server, driver, connection),
            model=_model(model, build_volume, nozzle, max_nozzle, max_bed),
            materials=materials(material, "remaining_g"),
            plate=plate,
            tags=tag,
            location=location,
            group=group,
            floor_position=place(server, floor, at, rotation),
            bed_policy={"clear": bed.value} if bed else None,
            start_policy=start and start.value,
        )
        printer = server.post("/printers", body)
        if not json:
            say(f"Added printer {printer['number']}, {printer['name']}.")
        if not no_wait:
            printer = _read_once(server, printer)
    if json:
        as_json(printer)
    else:
        if not no_wait and printer["link"] != "online":
            say(f"It is {printer['link']} so far: {printer['problem'] or 'nothing came yet'}.")
        if printer["model"]["build_volume"] is None:
            say("Its size is unknown, so nothing is printed on it yet. Say it, as in:")
            say(f"  buildplate printer edit {printer['number']} --build-volume 250x210x220")


def _read_once(server: Server, printer: dict[str, Any]) -> dict[str, Any]:
    """The printer once it has been read, or as it is when waiting is of no use."""
    path = f"/printers/{printer['id']}"
    with waiting(f"Reading {printer['name']}"):
        return until(
            lambda: server.get(path),
            lambda seen: seen["link"] not in UNREAD or bool(seen["problem"]),
            READ_S,
        )


@app.command("list")
def list_(context: typer.Context, json: options.Json = False) -> None:
    """List the printers in service."""
    with server_of(context) as server:
        found = list(server.every("/printers"))
    if json:
        as_json(found)
        return
    table(
        [
            ("#", lambda p: p["number"]),
            ("printer", lambda p: p["name"]),
            ("driver", lambda p: p["driver"]),
            ("does", doing),
            ("bed", lambda p: p["bed"]),
            ("location", lambda p: p["location"]),
            ("tags", lambda p: p["tags"]),
            ("problem", lambda p: p["problem"]),
        ],
        found,
        "There are no printers: buildplate printer add",
    )


@app.command()
def show(context: typer.Context, printer: options.Printer, json: options.Json = False) -> None:
    """Show a printer with everything that is known of it."""
    with server_of(context) as server:
        found = server.get(f"/printers/{server.printer(printer)}")
    _show(found, json)


@app.command()
def edit(
    context: typer.Context,
    printer: options.Printer,
    name: Name = None,
    connection: Connection = None,
    build_volume: Volume = None,
    nozzle: Nozzle = None,
    model: Model = None,
    max_nozzle: MaxNozzle = None,
    max_bed: MaxBed = None,
    material: Material = None,
    plate: Plate = None,
    tag: Tag = None,
    location: Location = None,
    group: Group = None,
    no_group: Annotated[bool, typer.Option("--no-group", help="It belongs to none.")] = False,
    floor: Floor = None,
    at: At = None,
    rotation: Rotation = None,
    no_floor: Annotated[bool, typer.Option("--no-floor", help="It stands on none.")] = False,
    bed: Annotated[Clearing | None, typer.Option(help="Who clears the bed.")] = None,
    start: Annotated[Start | None, typer.Option(help="Whether prints wait for a word.")] = None,
    enabled: Annotated[
        bool | None, typer.Option("--enable/--disable", help="Use it, or leave it alone.")
    ] = None,
    json: options.Json = False,
) -> None:
    """Change what is said of a printer; what you leave out stays."""
    with server_of(context) as server:
        reference = server.printer(printer)
        pairs = None
        if connection:
            driver = server.get(f"/printers/{reference}")["driver"]
            pairs = _pairs(server, driver, connection)
        body = _given(
            name=name,
            connection=pairs,
            model=_model(model, build_volume, nozzle, max_nozzle, max_bed),
            materials=materials(material, "remaining_g"),
            plate=plate,
            tags=tag,
            location=location,
            group=group,
            floor_position=place(server, floor, at, rotation),
            bed_policy={"clear": bed.value} if bed else None,
            start_policy=start and start.value,
            enabled=enabled,
        )
        body |= {"group": None} if no_group else {}
        body |= {"floor_position": None} if no_floor else {}
        if not body:
            fail("say what to change", "See: buildplate printer edit --help", code=USAGE)
        found = server.patch(f"/printers/{reference}", body)
    _show(found, json)


@app.command()
def remove(context: typer.Context, printer: options.Printer, json: options.Json = False) -> None:
    """Take a printer out of service; its history stays."""
    with server_of(context) as server:
        reference = server.printer(printer)
        server.delete(f"/printers/{reference}")
    as_json({"removed": reference}) if json else say(f"Printer {printer} is out of service.")


@app.command("clear-bed")
def clear_bed(
    context: typer.Context,
    printer: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PRINTER…",
            help="Names, numbers or ids.",
            show_default=False,
            autocompletion=completion.printers,
        ),
    ] = None,
    all_: Annotated[
        bool, typer.Option("--all", help="Every bed that is not clear and has no print.")
    ] = False,
    json: options.Json = False,
) -> None:
    """Say that you have looked, and that nothing lies on the bed."""
    if bool(printer) == all_:
        fail("name the printers, or say --all", code=USAGE)
    with server_of(context) as server:
        if all_:
            seen = [
                p for p in server.every("/printers") if p["bed"] != "clear" and not p["print_id"]
            ]
        else:
            seen = [server.get(f"/printers/{server.printer(one)}") for one in printer or ()]
        beds = [{"printer_id": p["id"], "bed_version": p["bed_version"]} for p in seen]
        results = server.post("/printers/clear-beds", {"beds": beds})["results"] if beds else []
    names = {p["id"]: p["name"] for p in seen}
    if json:
        as_json(results)
    for one in () if json else results:
        if one["ok"]:
            say(f"{names[one['printer_id']]}: clear")
    if not beds and not json:
        say("Every bed is clear, or has a print.")
    refused = [one for one in results if not one["ok"]]
    for one in refused[1:]:
        say(f"{names[one['printer_id']]}: {one['detail']}")
    if refused:
        fail(f"{names[refused[0]['printer_id']]}: {refused[0]['detail']}", refused[0]["hint"])


@app.command()
def maintenance(
    context: typer.Context,
    printer: options.Printer,
    switch: Annotated[options.OnOff, typer.Argument(help="Begin or end it.")],
    json: options.Json = False,
) -> None:
    """Begin or end maintenance: nothing new is printed while it lasts."""
    with server_of(context) as server:
        path = f"/printers/{server.printer(printer)}/maintenance"
        found = server.post(path, {"on": switch is options.OnOff.ON})
    as_json(found) if json else say(f"{found['name']}: maintenance {switch.value}")


@app.command()
def connect(context: typer.Context, printer: options.Printer, json: options.Json = False) -> None:
    """Try to reach a printer now, not at the end of its pause; also one that was disconnected."""
    with server_of(context) as server:
        found = server.post(f"/printers/{server.printer(printer)}/connect")
    as_json(found) if json else say(f"Trying; its link is {found['link']} so far.")


@app.command()
def disconnect(
    context: typer.Context, printer: options.Printer, json: options.Json = False
) -> None:
    """Close the link to a printer, so that its port is free, and leave it alone until connected."""
    with server_of(context) as server:
        found = server.post(f"/printers/{server.printer(printer)}/disconnect")
    back = f"buildplate printer connect {shlex.quote(printer)}"
    as_json(found) if json else say(f"{printer} is disconnected; take it back with `{back}`.")


@app.command()
def probe(
    context: typer.Context,
    driver: Annotated[str | None, typer.Option(help="The family of printers.")] = None,
    connection: Connection = None,
    printer: Annotated[
        str | None,
        typer.Option(
            help="Change the connection of this one; its key stays where it leads to the same.",
            autocompletion=completion.printers,
        ),
    ] = None,
    json: options.Json = False,
) -> None:
    """Try a connection before you add the printer, or before you change it."""
    if (driver is None) == (printer is None):
        fail("name either the --driver or the --printer", code=USAGE)
    with server_of(context) as server:
        body: dict[str, Any] = {"driver": driver, "connection": {}}
        if printer is not None:
            known = server.get(f"/printers/{server.printer(printer)}")
            body = {name: known[name] for name in ("driver", "connection")}
            body["printer_id"] = known["id"]
        body["connection"] |= _pairs(server, body["driver"], connection)
        found = server.post("/printers/probe", body)
    if json:
        as_json(found)
    if not found["ok"]:
        fail(found["detail"], found["hint"])
    if not json:
        fields(found, ("software", "version", "name", "warnings"))


@app.command()
def assign(
    context: typer.Context,
    printer: options.Printer,
    print_: Annotated[
        str | None, typer.Option("--print", help="This print, by its number or id.")
    ] = None,
    job: Annotated[str | None, typer.Option(help="The next print of this job.")] = None,
    json: options.Json = False,
) -> None:
    """Give a queued print to this printer only, ahead of others of its priority."""
    if (print_ is None) == (job is None):
        fail("name either a --print or a --job", code=USAGE)
    with server_of(context) as server:
        body = {"print_id": print_} if print_ else {"job_id": job}
        found = server.post(f"/printers/{server.printer(printer)}/assign", body)
    as_json(found) if json else say(f"Print {found['number']} goes to {printer}.")


def _ask(context: typer.Context, printer: str, verb: str, json: bool) -> None:
    with server_of(context) as server:
        found = server.post(f"/printers/{server.printer(printer)}/{verb}")
    as_json(found) if json else say(f"Asked {printer} to {verb}.")


@app.command()
def pause(context: typer.Context, printer: options.Printer, json: options.Json = False) -> None:
    """Pause the print that this printer runs."""
    _ask(context, printer, "pause", json)


@app.command()
def resume(context: typer.Context, printer: options.Printer, json: options.Json = False) -> None:
    """Resume the print that this printer has paused."""
    _ask(context, printer, "resume", json)


@app.command()
def cancel(context: typer.Context, printer: options.Printer, json: options.Json = False) -> None:
    """Wish for the end of the print that this printer holds."""
    _ask(context, printer, "cancel", json)


app.command()(discover)
panel.add_orders_to(app)


def add_to(main: typer.Typer) -> None:
    """Offer the commands."""
    main.add_typer(app, name="printer")
