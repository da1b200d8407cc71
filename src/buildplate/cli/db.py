"""`buildplate db …`: the database itself, while no server runs."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from buildplate.cli import options
from buildplate.cli.failures import REFUSED, fail
from buildplate.cli.output import as_json, say

if TYPE_CHECKING:
    from buildplate.app.upgrading import Upgrade

app = typer.Typer(
    help="The database itself, while no server runs: that of --data-dir, or of DATABASE_URL.",
    no_args_is_help=True,
)
MARKS = {"ok": "✓", "warning": "!", "failed": "✗"}


@app.command()
def upgrade(
    context: typer.Context,
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="Only look; the exit code is 0 where there is nothing to do, else 1."
        ),
    ] = False,
    json: options.Json = False,
) -> None:
    """Bring the database to this release's schema: look first, copy it (SQLite), then change it."""
    found = _run(context.obj.data_dir, check=check)
    refused = found.preflight.refused
    if json:
        as_json(_told(found))
    else:
        _show(found)
    if refused is not None:
        fail(str(refused), refused.hint)
    if check and found.preflight.needed:
        raise typer.Exit(REFUSED)


def _run(data_dir: Path | None, *, check: bool) -> Upgrade:
    from buildplate.app.settings import SettingsError, load_settings
    from buildplate.app.upgrading import Upgrade, looked_at, upgraded
    from buildplate.storage import StorageError

    try:
        settings = load_settings(data_dir=data_dir)
        if check:
            return Upgrade(asyncio.run(looked_at(settings)))
        return asyncio.run(upgraded(settings))
    except (SettingsError, StorageError) as error:
        return fail(str(error), error.hint)


def _told(found: Upgrade) -> dict[str, Any]:
    looked = found.preflight
    return {
        "database": looked.database,
        "found": looked.found,
        "newest": looked.newest,
        "needed": looked.needed,
        "refused": looked.refused is not None,
        "upgraded": found.done,
        "copy": None if found.copy is None else str(found.copy),
        "pending": [{"revision": step.revision, "what": step.what} for step in looked.pending],
        "checks": [
            {
                "check": one.name,
                "status": one.status,
                "detail": one.detail,
                "remedy": one.remedy or None,
            }
            for one in looked.checks
        ],
    }


def _show(found: Upgrade) -> None:
    looked = found.preflight
    say(looked.database)
    for one in looked.checks:
        say(f"{MARKS[one.status]} {one.name}: {one.detail}")
        if one.status == "warning":
            say(f"  {one.remedy}")
    for step in looked.pending:
        say(f"  {step.revision}  {step.what}")
    if found.done:
        say(f"Upgraded from {looked.found or 'nothing'} to {looked.newest}.")
    elif not looked.needed:
        say("There is nothing to do.")
    elif looked.refused is None:
        say("Upgrade it with: buildplate db upgrade")
    if found.copy is not None:
        say(f"A copy from before is {found.copy}.")
        say(
            "To go back: stop the server, remove the database with its -wal and -shm, put the copy "
            "in its place, and install the former release. What happened since is then forgotten."
        )


def add_to(main: typer.Typer) -> None:
    """Offer the commands."""
    main.add_typer(app, name="db")
