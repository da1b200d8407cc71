"""`buildplate file …`: upload with a progress bar, list, show, remove."""

from __future__ import annotations

import base64
import hashlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from buildplate.cli import options
from buildplate.cli.failures import USAGE, fail
from buildplate.cli.output import as_json, fields, lasts, megabytes, moment, say, table
from buildplate.cli.server import Server, server_of

if TYPE_CHECKING:
    from collections.abc import Callable

app = typer.Typer(help="Print files.", no_args_is_help=True)
PIECE = 1 << 18


@contextmanager
def _progress(name: str, size: int) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, nothing elsewhere; called with the bytes that went on."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(escape(name), total=size)
        yield lambda went: bar.advance(task, went)


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
    with _progress(path.name, size) as went:
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
    json: options.Json = False,
) -> None:
    """Upload files. The same content twice is one file."""
    with server_of(context) as server:
        found = [upload(server, one) for one in path]
    if json:
        as_json(found[0] if len(found) == 1 else found)
        return
    for file in found:
        analysis = file["analysis"] or {}
        known = [megabytes(file["size"])]
        if analysis.get("estimated_s"):
            known.append(f"prints {lasts(analysis['estimated_s'])}")
        if analysis.get("filament_g"):
            known.append(f"{analysis['filament_g']:.0f} g")
        say(f"{file['name']}: {', '.join(known)}, {file['state']}")


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
    fields(found, ("name", "id", "size", "sha256", "state", "created_at"))
    fields(found["analysis"] or {}, found["analysis"] or ())


@app.command()
def remove(context: typer.Context, file: options.File, json: options.Json = False) -> None:
    """Delete a file that no unfinished job needs."""
    with server_of(context) as server:
        reference = server.file(file)
        server.delete(f"/files/{reference}")
    as_json({"removed": reference}) if json else say(f"{file} is deleted.")
