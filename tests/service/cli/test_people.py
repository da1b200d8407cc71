"""`buildplate user` and `key`, on a running server and on the data; passwords are no arguments."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from buildplate.access.model import CallerKind
from buildplate.cli.main import app
from tests.service.api.people import log_in
from tests.service.api.surface import open_surface
from tests.service.cli.test_commands import at_a_terminal

PASSWORD = "correct horse battery"
OTHER = "another good one"


def handed(text: str) -> int:
    """A descriptor that a program would write a password to."""
    reader, writer = os.pipe()
    os.write(writer, text.encode())
    os.close(writer)
    return reader


async def test_users_are_managed_on_a_running_server(tmp_path: Path) -> None:
    async with at_a_terminal(tmp_path) as me:

        async def user(words: str, code: int = 0) -> Result:
            return await me.type(f"user {words}", code)

        assert "no users" in (await user("list")).stdout
        added = await user(f"add Ann --role admin --password-fd {handed(PASSWORD)}")
        assert added.stdout == "ann is admin.\n"
        await user(f"add bob --role operator --group left --password-fd {handed(PASSWORD)}")
        listed = await me.json("user list")
        assert [(u["name"], u["role"], u["groups"]) for u in listed] == [
            ("ann", "admin", None),
            ("bob", "operator", ["left"]),
        ]
        assert "operator" in (await user("show BOB")).stdout
        assert (await me.json("user role bob viewer"))["groups"] is None
        await user(f"passwd bob --password-fd {handed(OTHER)}")
        async with me.surface.with_key(None) as client:
            assert (await log_in(client, "bob", OTHER)).status_code == 200
        assert "bob is disabled" in (await user("disable bob")).stdout
        assert (await me.json("user show bob"))["disabled"] is True
        async with me.surface.with_key(None) as client:
            assert (await log_in(client, "bob", OTHER)).status_code == 401
            assert "may log in again" in (await user("enable bob")).stdout
            assert (await log_in(client, "bob", OTHER)).status_code == 200
        assert "last administrator" in (await user("disable ann", 1)).stderr
        assert "last administrator" in (await user("role ann viewer", 1)).stderr
        assert "user list" in (await user("show nobody", 1)).stderr
        bob = (await me.json("user show bob"))["id"]
        assert (await user(f"remove {bob}")).stdout == "bob is removed.\n"


async def test_a_password_is_asked_for_twice_and_not_shown(tmp_path: Path) -> None:
    async with at_a_terminal(tmp_path) as me:
        runner = CliRunner(env=me.env)
        line = ["user", "add", "ann", "--role", "viewer"]
        answers = f"{PASSWORD}\n{PASSWORD}\n"
        done = await asyncio.to_thread(runner.invoke, app, line, answers)
        assert done.exit_code == 0, done.output
        assert PASSWORD not in done.output
        odd = await asyncio.to_thread(runner.invoke, app, [*line, "--password-fd", "999"])
        assert (odd.exit_code, "cannot be read" in odd.stderr) == (2, True)
        empty = await me.type(f"user passwd ann --password-fd {handed('')}", 2)
        assert "holds no password" in empty.stderr


async def test_a_key_is_made_for_groups_and_for_a_while(tmp_path: Path) -> None:
    async with at_a_terminal(tmp_path) as me:
        line = "key add shop --role operator --group left --group right --expires 2099-01-01T00:00"
        made = await me.json(line)
        assert made["groups"] == ["left", "right"]
        assert made["expires_at"] > "2098-12-30"
        assert "left" in (await me.type("key list")).stdout
        wrong = await me.type("key add shop --role admin --group left", 1)
        assert "cannot be confined" in wrong.stderr


async def test_users_and_keys_are_managed_on_the_data_and_noted(tmp_path: Path) -> None:
    folder = tmp_path / "farm"
    runner = CliRunner(env={"BUILDPLATE_CONFIG": str(tmp_path / "none")})

    async def run(*words: str) -> Any:
        line = ["--data-dir", str(folder), *words, "--json"]
        done = await asyncio.to_thread(runner.invoke, app, line)
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    await run("user", "add", "ann", "--role", "admin", "--password-fd", str(handed(PASSWORD)))
    await run("user", "add", "bob", "--role", "viewer", "--password-fd", str(handed(PASSWORD)))
    await run("user", "passwd", "ann", "--password-fd", str(handed(OTHER)))
    await run("user", "role", "bob", "operator", "--group", "left")
    assert (await run("user", "show", "Bob"))["groups"] == ["left"]
    assert (await run("user", "disable", "bob"))["disabled"] is True
    await run("user", "remove", "bob")
    assert [user["name"] for user in await run("user", "list")] == ["ann"]
    await run("key", "add", "shop", "--role", "operator", "--group", "left")
    line = ["--data-dir", str(folder), "user", "remove", "ann"]
    last = await asyncio.to_thread(runner.invoke, app, line)
    assert (last.exit_code, "last administrator" in last.stderr) == (1, True)
    async with open_surface(folder) as surface, surface.with_key(None) as client:
        assert (await log_in(client, password=OTHER)).status_code == 200
        noted = await surface.farm.access.audit.entries(100, None, {})
    by_hand = [line for line in noted if line.who_kind == CallerKind.CONSOLE]
    assert [line.action for line in reversed(by_hand)] == [
        "buildplate user add",
        "buildplate user add",
        "buildplate user change",
        "buildplate user change",
        "buildplate user change",
        "buildplate user remove",
        "buildplate key add",
    ]
    assert "argon2" not in str(noted)
