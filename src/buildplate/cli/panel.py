"""`buildplate printer home …`: what a person orders of a machine directly, and what it says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from buildplate.cli import options
from buildplate.cli.failures import fail
from buildplate.cli.fetching import Output, fetch
from buildplate.cli.output import as_json, fields, lasts, moment, say, table
from buildplate.cli.patience import until, waiting
from buildplate.cli.server import Server, server_of

ANSWERED_S = 45.0
"""How long the answer to an order is waited for."""

HEATERS = ("tool0", "tool1", "tool2", "tool3", "bed", "chamber")
Speed = Annotated[float | None, typer.Option(help="In mm/s.")]
Celsius = Annotated[float | None, typer.Option(help="A target in °C; 0 switches it off.")]


def order(server: Server, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
    """Give an order and wait for what comes of it; ends the command where it was refused."""
    command = server.post(path, body)["command_id"]
    with waiting("Waiting for the printer's answer"):
        found = until(
            lambda: server.find(f"/commands/{command}") or {"id": command, "state": "sent"},
            lambda seen: seen["state"] not in ("asked", "sent"),
            ANSWERED_S,
        )
    if found["state"] == "refused":
        fail(f"the printer refused it: {found['answer'].removeprefix('refused: ')}")
    return found


def _tell(found: dict[str, Any], json: bool) -> None:
    if json:
        as_json(found)
    elif found["state"] == "answered":
        say("Done.")
    else:
        say(f"It is not known what came of it yet: buildplate command show {found['id']}")


def _do(context: typer.Context, printer: str, verb: str, body: dict[str, Any], json: bool) -> None:
    with server_of(context) as server:
        found = order(server, f"/printers/{server.printer(printer)}/{verb}", body)
    _tell(found, json)


def home(
    context: typer.Context,
    printer: options.Printer,
    axes: Annotated[str, typer.Argument(help="As in xy; left out: all.")] = "",
    json: options.Json = False,
) -> None:
    """Send axes to their end stops."""
    _do(context, printer, "home", {"axes": list(axes)}, json)


def jog(
    context: typer.Context,
    printer: options.Printer,
    x: Annotated[float | None, typer.Option("--x", help="In mm from where it is.")] = None,
    y: Annotated[float | None, typer.Option("--y", help="In mm from where it is.")] = None,
    z: Annotated[float | None, typer.Option("--z", help="In mm from where it is.")] = None,
    speed: Speed = None,
    json: options.Json = False,
) -> None:
    """Move the head."""
    _do(context, printer, "jog", {"x": x, "y": y, "z": z, "speed": speed}, json)


def extrude(
    context: typer.Context,
    printer: options.Printer,
    length: Annotated[float, typer.Argument(help="In mm; negative pulls it back (after --).")],
    tool: Annotated[int, typer.Option(min=0, max=31, help="Through which tool.")] = 0,
    speed: Speed = None,
    json: options.Json = False,
) -> None:
    """Push filament through a tool."""
    _do(context, printer, "extrude", {"length": length, "tool": tool, "speed": speed}, json)


def heat(
    context: typer.Context,
    printer: options.Printer,
    heater: Annotated[str, typer.Argument(help="tool0, tool1, ..., bed or chamber.")],
    target: Annotated[float, typer.Argument(help="In °C; 0 switches it off.")],
    json: options.Json = False,
) -> None:
    """Set a heater's target."""
    _do(context, printer, "temperature", {"heater": heater, "target": target}, json)


def fan(
    context: typer.Context,
    printer: options.Printer,
    percent: Annotated[float, typer.Argument(min=0, max=100, help="Of its full speed.")],
    name: Annotated[str, typer.Option(help="Which one; `part` cools the part.")] = "part",
    json: options.Json = False,
) -> None:
    """Set a fan's speed."""
    _do(context, printer, "fan", {"speed": percent / 100, "name": name}, json)


def speed(
    context: typer.Context,
    printer: options.Printer,
    percent: Annotated[
        float | None, typer.Argument(min=1, max=1000, help="Of the file's own speed.")
    ] = None,
    flow: Annotated[
        float | None, typer.Option(min=1, max=300, help="Percent of the file's own flow.")
    ] = None,
    json: options.Json = False,
) -> None:
    """Set how fast a print runs, and how much it extrudes."""
    given = {"speed": percent, "flow": flow}
    body = {name: None if one is None else one / 100 for name, one in given.items()}
    _do(context, printer, "speed", body, json)


def macro(
    context: typer.Context,
    printer: options.Printer,
    name: Annotated[str, typer.Argument(help="One of the host's own.")],
    params: Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE…")] = None,
    json: options.Json = False,
) -> None:
    """Run a macro."""
    pairs = dict(one.partition("=")[::2] for one in params or ())
    _do(context, printer, "macro", {"name": name, "params": pairs}, json)


def exclude_object(
    context: typer.Context,
    printer: options.Printer,
    name: Annotated[str, typer.Argument(help="As its equipment tells.")],
    json: options.Json = False,
) -> None:
    """Leave one object out of the rest of the running print."""
    _do(context, printer, "exclude-object", {"name": name}, json)


def z_offset(
    context: typer.Context,
    printer: options.Printer,
    by: Annotated[float, typer.Argument(help="In mm; negative lowers the nozzle (after --).")],
    json: options.Json = False,
) -> None:
    """Raise or lower the nozzle for all moves to come."""
    _do(context, printer, "z-offset", {"by": by}, json)


def gcode(
    context: typer.Context,
    printer: options.Printer,
    lines: Annotated[list[str], typer.Argument(metavar="LINE…", help="One command each.")],
    json: options.Json = False,
) -> None:
    """Send G-code."""
    _do(context, printer, "gcode", {"lines": lines}, json)


def power(
    context: typer.Context,
    printer: options.Printer,
    device: Annotated[str, typer.Argument(help="As its equipment tells.")],
    state: Annotated[options.OnOff, typer.Argument(help="Off only while the printer is at rest.")],
    json: options.Json = False,
) -> None:
    """Switch a power device of the printer's host on or off."""
    _do(context, printer, "power", {"device": device, "on": state is options.OnOff.ON}, json)


def emergency_stop(
    context: typer.Context, printer: options.Printer, json: options.Json = False
) -> None:
    """Stop the machine at once, whatever it does. It has to be connected again afterwards."""
    with server_of(context) as server:
        found = order(server, f"/printers/{server.printer(printer)}/emergency-stop", None)
    if json or found["state"] == "answered":
        as_json(found) if json else say(f"{printer} was told to stop at once.")
    else:
        fail(f"nobody knows whether {printer} stopped: look at it, and cut its power if need be")


def console(
    context: typer.Context,
    printer: options.Printer,
    after: Annotated[int, typer.Option(min=0, help="Only lines after this number.")] = 0,
    json: options.Json = False,
) -> None:
    """Show what the printer's console has said lately."""
    with server_of(context) as server:
        found = server.get(f"/printers/{server.printer(printer)}/console", after=after)["items"]
    if json:
        as_json(found)
        return
    table(
        [
            ("#", lambda line: line["seq"]),
            ("at", lambda line: moment(line["at"])),
            ("", lambda line: ">" if line["speaker"] == "sent" else "<"),
            ("line", lambda line: line["text"]),
        ],
        found,
        "The console has said nothing.",
    )


def equipment(context: typer.Context, printer: options.Printer, json: options.Json = False) -> None:
    """Show what the printer's host has to offer: macros, objects, cameras, power, last file."""
    with server_of(context) as server:
        found = server.get(f"/printers/{server.printer(printer)}/equipment")
    if json:
        as_json(found)
        return
    power = [f"{one['name']} {_STANDS[one['on']]}" for one in found["power"]]
    fields({**found, "power": power, "file": _file(found["file"])}, found)


_STANDS = {True: "on", False: "off", None: "not known"}


def _file(file: dict[str, Any] | None) -> list[str]:
    """The file that was begun at the printer, in words; nothing where none is known."""
    if file is None:
        return []
    said: tuple[tuple[str, str, Callable[[Any], str]], ...] = (
        ("", "slicer", str),
        ("takes ", "estimated_s", lasts),
        ("", "filament_mm", lambda mm: f"{mm / 1000:.2f} m of filament"),
        ("", "filament_g", lambda g: f"{g:.1f} g"),
        ("", "layers", lambda count: f"{count} layers"),
        ("", "layer_height", lambda mm: f"{mm:g} mm each"),
        ("", "object_height", lambda mm: f"{mm:g} mm high"),
        ("nozzle ", "first_layer_nozzle_c", lambda c: f"{c:g} °C"),
        ("bed ", "first_layer_bed_c", lambda c: f"{c:g} °C"),
        ("chamber ", "chamber_c", lambda c: f"{c:g} °C"),
    )
    known = [(before, file[name], how) for before, name, how in said if file[name] is not None]
    return [file["name"], *(before + how(value) for before, value, how in known)]


def thumbnail(
    context: typer.Context, printer: options.Printer, output: Output, json: options.Json = False
) -> None:
    """Fetch the slicer's picture of what was begun at the printer itself, now or last."""
    with server_of(context) as server:
        fetch(server, f"/printers/{server.printer(printer)}/thumbnail", output, json=json)


def set_heat(server: Server, printer: str, targets: dict[str, float | None]) -> list[Any]:
    """Set the targets that are given, one after another; what came of each."""
    wanted = {name: target for name, target in targets.items() if target is not None}
    path = f"/printers/{server.printer(printer)}/temperature"
    found = []
    for heater, target in wanted.items():
        done = order(server, path, {"heater": heater, "target": target})
        if done["state"] != "answered":
            fail(
                f"it is not known whether {heater} got its target",
                f"Look at it, and see: buildplate command show {done['id']}",
            )
        found.append(done)
    return found


def add_orders_to(app: typer.Typer) -> None:
    """Offer the commands."""
    app.command()(home)
    app.command()(jog)
    app.command()(extrude)
    app.command("temperature")(heat)
    app.command()(fan)
    app.command()(speed)
    app.command()(macro)
    app.command("exclude-object")(exclude_object)
    app.command("z-offset")(z_offset)
    app.command()(gcode)
    app.command()(power)
    app.command("emergency-stop")(emergency_stop)
    app.command()(console)
    app.command()(equipment)
    app.command()(thumbnail)
