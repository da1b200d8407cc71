"""`buildplate backup`, `backups …` and `restore`: the whole farm in one file, and back."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer

from buildplate.cli import options
from buildplate.cli.failures import USAGE, fail, note
from buildplate.cli.output import as_json, fields, megabytes, moment, percent, say, table
from buildplate.cli.patience import progress, until, waiting
from buildplate.cli.server import Server, server_of

VARIABLE = "BUILDPLATE_BACKUP_PASSPHRASE"
LONGEST_S = 24 * 3600.0
SHOWN = (
    "id", "state", "taken_at", "size", "database", "schema_revision", "release", "key_file",
    "files", "missing_files", "rows", "file", "problem", "hint",
)  # fmt: skip
WITHOUT_KEY = (
    "The key file is not in it: keep a copy of it elsewhere, or take the backup with a passphrase."
)

PassphraseFile = Annotated[
    Path | None,
    typer.Option(help="A file whose first line is the passphrase for the key file; - is stdin."),
]
AskPassphrase = Annotated[
    bool, typer.Option("--ask-passphrase", help="Ask for the passphrase on the terminal.")
]

app = typer.Typer(help="The backups that a running server keeps.", no_args_is_help=True)


def add_to(main: typer.Typer) -> None:
    """Put `backup` and `restore` beside the other commands, and `backups` as a group."""
    main.command()(backup)
    main.command()(restore)
    main.add_typer(app, name="backups")


def backup(
    context: typer.Context,
    to: Annotated[
        Path | None,
        typer.Option("--to", help="Put it there, too: a file, or a folder that is there."),
    ] = None,
    passphrase_file: PassphraseFile = None,
    ask_passphrase: AskPassphrase = False,
    json: options.Json = False,
) -> None:
    """Take a backup of rows and print files, while the server runs; with --data-dir without one.

    The key file that opens printers' secrets goes in only with a passphrase: from the terminal,
    a file, or the environment (BUILDPLATE_BACKUP_PASSPHRASE), and never from an argument.
    """
    passphrase = _passphrase(passphrase_file, ask=ask_passphrase, twice=True)
    target = _free(to)
    if context.obj.data_dir is not None:
        from buildplate.cli.backing_up import take_offline

        found = take_offline(context.obj.data_dir, target, passphrase)
    else:
        with server_of(context) as server:
            found = _taken(server, passphrase)
            if target is not None:
                found["file"] = str(_fetched(server, found, target))
    if json:
        as_json(found)
        return
    fields(_readable(found), SHOWN)
    if found["missing_files"]:
        note("Some print files are not in it: their contents were gone or spoiled already.")
    if not found["key_file"]:
        note(WITHOUT_KEY)


def restore(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A backup.")],
    passphrase_file: PassphraseFile = None,
    ask_passphrase: AskPassphrase = False,
    json: options.Json = False,
) -> None:
    """Bring a backup back into an empty folder: buildplate --data-dir DIR restore FILE.

    The farm begins stopped, until a person has looked at its printers and releases it.
    """
    folder: Path | None = context.obj.data_dir
    if folder is None:
        hint = "Say where: buildplate --data-dir DIR restore FILE"
        fail(
            "a backup is restored into a folder of its own, while no server runs", hint, code=USAGE
        )
    from buildplate.cli.backing_up import bring_back

    passphrase = _passphrase(passphrase_file, ask=ask_passphrase, twice=False)
    found = bring_back(folder, file, passphrase)
    if json:
        as_json(found)
        return
    fields(found, [name for name in found if name != "next"])
    for step in found["next"]:
        say(f"- {step}")


@app.command("list")
def list_(context: typer.Context, json: options.Json = False) -> None:
    """List the backups on the server, newest first."""
    with server_of(context) as server:
        found = server.get("/backups")["items"]
    if json:
        as_json(found)
        return
    table(
        [
            ("id", lambda b: b["id"]),
            ("taken", lambda b: moment(b["taken_at"])),
            ("state", lambda b: b["state"]),
            ("done", lambda b: percent(b["progress"])),
            ("size", lambda b: megabytes(b["size"])),
            ("files", lambda b: b["files"]),
            ("key file", lambda b: b["key_file"]),
            ("problem", lambda b: b["problem"]),
        ],
        found,
        "There is no backup yet: buildplate backup",
    )


Id = Annotated[str, typer.Argument(metavar="BACKUP", help="A backup's id.")]


@app.command()
def show(context: typer.Context, backup_id: Id, json: options.Json = False) -> None:
    """Show one backup."""
    with server_of(context) as server:
        found = server.get(f"/backups/{backup_id}")
    as_json(found) if json else fields(_readable(found), SHOWN)


@app.command()
def fetch(
    context: typer.Context,
    backup_id: Id,
    to: Annotated[Path, typer.Option("--to", help="A file, or a folder that is there.")] = Path(),
    json: options.Json = False,
) -> None:
    """Fetch a backup from the server."""
    target = _free(to)
    with server_of(context) as server:
        found = server.get(f"/backups/{backup_id}")
        found["file"] = str(_fetched(server, found, target or Path()))
    as_json(found) if json else say(f"Fetched {found['file']}.")


@app.command()
def delete(context: typer.Context, backup_id: Id, json: options.Json = False) -> None:
    """Delete a backup on the server."""
    with server_of(context) as server:
        server.delete(f"/backups/{backup_id}")
    as_json({"id": backup_id}) if json else say("Deleted.")


def _readable(found: Mapping[str, Any]) -> dict[str, Any]:
    return {**found, "size": megabytes(found["size"]), "taken_at": moment(found["taken_at"])}


def _free(to: Path | None) -> Path | None:
    """Where a backup goes; ends the command where something is there already."""
    if to is not None and not to.is_dir() and to.exists():
        fail(f"{to} is there already", "Name another file.", code=USAGE)
    if to is not None and not to.is_dir() and not to.parent.is_dir():
        fail(f"there is no folder {to.parent}", code=USAGE)
    return to


def _taken(server: Server, passphrase: str | None) -> dict[str, Any]:
    """Have the server take a backup, and wait for it."""
    begun = server.post("/backups", {"passphrase": passphrase})
    with waiting("Taking the backup"):
        found = until(
            lambda: dict(server.get(f"/backups/{begun['id']}")),
            lambda seen: seen["state"] != "running",
            LONGEST_S,
        )
    if found["state"] != "ready":
        fail(found["problem"] or "the backup is not finished", found["hint"] or "Look again later.")
    return found


def _fetched(server: Server, found: Mapping[str, Any], to: Path) -> Path:
    """Fetch a backup whole, or nothing: under a passing name, then under its own."""
    stamp = found["taken_at"].partition(".")[0].replace("-", "").replace(":", "").rstrip("Z")
    target = to / f"buildplate-{stamp}Z-{found['id']}.tar" if to.is_dir() else to
    half = target.with_name(f".{target.name}.half")
    try:
        with _fresh(half) as file, progress(target.name, found["size"]) as went:
            size = server.fetch(f"/backups/{found['id']}/content", file, went)
            file.flush()
            os.fsync(file.fileno())
        if size != found["size"]:
            fail("the backup arrived cut short", "Fetch it again: buildplate backups fetch")
        half.rename(target)
    except OSError as error:
        fail(f"{target} cannot be written: {error.strerror}")
    finally:
        half.unlink(missing_ok=True)
    return target


@contextmanager
def _fresh(path: Path) -> Iterator[BinaryIO]:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
        yield file


def _passphrase(file: Path | None, *, ask: bool, twice: bool) -> str | None:
    """The passphrase, from wherever it was offered; None where it was not."""
    if file is not None:
        try:
            lines = sys.stdin.readline() if str(file) == "-" else file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            return fail(f"{file} cannot be read: {error}", code=USAGE)
        return lines.split("\n", 1)[0] or fail(f"{file} holds no passphrase", code=USAGE)
    if ask:
        if not sys.stdin.isatty():
            hint = "Give it in a file, on stdin with --passphrase-file -, or in the environment."
            fail("there is no terminal to ask for the passphrase on", hint, code=USAGE)
        said: str = typer.prompt("Passphrase", hide_input=True, confirmation_prompt=twice)
        return said
    return os.environ.get(VARIABLE) or None
