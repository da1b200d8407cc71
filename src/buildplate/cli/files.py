"""`buildplate file …`: upload with a progress bar, list, show, remove."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from buildplate.cli import options
from buildplate.cli.failures import USAGE, fail
from buildplate.cli.fetching import Output, fetch
from buildplate.cli.output import as_json, fields, lasts, megabytes, moment, say, table
from buildplate.cli.patience import progress, until, waiting
from buildplate.cli.server import Server, server_of

if TYPE_CHECKING:
    from collections.abc import Callable

app = typer.Typer(help="Print files.", no_args_is_help=True)
PIECE = 1 << 18
READ_S = 30.0
ANALYSING = "analysing"
STATES = {
    "ready": "ready",
    ANALYSING: "still being read; its prints wait until that is done",
    "unreadable": "unreadable, so nobody knows its size",
}


def _pieces(path: Path, went: Callable[[int], None]) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            yield piece
            went(len(piece))


def upload(server: Server, path: Path) -> dict[str, Any]:
    """Stream a file to the server, which checks what arrives against its hash."""
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").digest()
        size = path.stat().st_size
    except OSError as error:
        fail(f"{path} cannot be read: {error.strerror}", code=USAGE)
    headers = {
        "x-filename": quote(path.name),
        "content-type": "application/octet-stream",
        "content-length": str(size),
        "content-digest": f"sha-256=:{base64.b64encode(digest).decode()}:",
    }
    with progress(path.name, size) as went:
        stored = server.call("POST", "/files", content=_pieces(path, went), headers=headers)
    found: dict[str, Any] = stored
    return found


def file_for(server: Server, reference: str) -> str:
    """The id of a file: one that lies here is uploaded, else one that is stored is meant."""
    path = Path(reference)
    return str(upload(server, path)["id"]) if path.is_file() else server.file(reference)


@app.command()
def add(
    context: typer.Context,
    path: Annotated[list[Path], typer.Argument(metavar="PATH…", help="G-code files.")],
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="Don't wait until it is read.")
    ] = False,
    json: options.Json = False,
) -> None:
    """Upload files, and wait up to 30 s until each is read. The same content twice is one file."""
    with server_of(context) as server:
        found = [upload(server, one) for one in path]
        if not no_wait:
            found = [_read(server, one) for one in found]
    if json:
        as_json(found[0] if len(found) == 1 else found)
        return
    for file in found:
        say(_told(file))


def _read(server: Server, file: dict[str, Any]) -> dict[str, Any]:
    """The file once what it prints is known, or as it is after a while."""
    if file["state"] != ANALYSING:
        return file
    with waiting(f"Reading {file['name']}"):
        return until(
            lambda: server.get(f"/files/{file['id']}"), lambda f: f["state"] != ANALYSING, READ_S
        )


def _told(file: dict[str, Any]) -> str:
    """A file in one line: its size, and what it would print."""
    analysis = file["analysis"] or {}
    known = [megabytes(file["size"])]
    box = analysis.get("print_box")
    if box:
        sides = (f"{box[f'max_{axis}'] - box[f'min_{axis}']:.0f}" for axis in "xyz")
        known.append(f"{' × '.join(sides)} mm")
    if analysis.get("estimated_s"):
        known.append(f"prints {lasts(analysis['estimated_s'])}")
    if analysis.get("filament_g"):
        known.append(f"{analysis['filament_g']:.0f} g")
    kinds = sorted({t["filament_type"] for t in analysis.get("tools", ()) if t["filament_type"]})
    return f"{file['name']}: {', '.join([*known, *kinds, STATES[file['state']]])}"


@app.command("list")
def list_(context: typer.Context, limit: options.Limit = 100, json: options.Json = False) -> None:
    """List stored files, newest first."""
    with server_of(context) as server:
        found = server.get("/files", limit=limit)["items"]
    if json:
        as_json(found)
        return
    table(
        [
            ("file", lambda f: f["name"]),
            ("size", lambda f: megabytes(f["size"])),
            ("prints", lambda f: lasts((f["analysis"] or {}).get("estimated_s"))),
            ("state", lambda f: f["state"]),
            ("came", lambda f: moment(f["created_at"])),
            ("id", lambda f: f["id"]),
        ],
        found,
        "There are no files: buildplate file add",
    )


@app.command()
def show(context: typer.Context, file: options.File, json: options.Json = False) -> None:
    """Show a file and what is known of its content."""
    with server_of(context) as server:
        found = server.get(f"/files/{server.file(file)}")
    if json:
        as_json(found)
        return
    fields(found, ("name", "id", "size", "sha256", "state", "created_at", "sent_by"))
    fields(found["analysis"] or {}, found["analysis"] or ())


@app.command()
def remove(context: typer.Context, file: options.File, json: options.Json = False) -> None:
    """Delete a file that no unfinished job needs."""
    with server_of(context) as server:
        reference = server.file(file)
        server.delete(f"/files/{reference}")
    as_json({"removed": reference}) if json else say(f"{file} is deleted.")


@app.command()
def rename(
    context: typer.Context,
    file: options.File,
    name: Annotated[str, typer.Argument(help="The new name.")],
    json: options.Json = False,
) -> None:
    """Change the name that is shown."""
    with server_of(context) as server:
        found = server.patch(f"/files/{server.file(file)}", {"name": name})
    as_json(found) if json else say(f"{file} is called {found['name']}.")


@app.command()
def content(
    context: typer.Context, file: options.File, output: Output, json: options.Json = False
) -> None:
    """Fetch a file exactly as it was uploaded."""
    _fetch(context, file, "content", output, json)


@app.command()
def thumbnail(
    context: typer.Context, file: options.File, output: Output, json: options.Json = False
) -> None:
    """Fetch the picture that the slicer put into a file."""
    _fetch(context, file, "thumbnail", output, json)


def _fetch(context: typer.Context, file: str, part: str, output: Path, json: bool) -> None:
    with server_of(context) as server:
        fetch(server, f"/files/{server.file(file)}/{part}", output, json=json)


def add_to(main: typer.Typer) -> None:
    """Offer the commands."""
    main.add_typer(app, name="file")
