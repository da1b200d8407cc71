"""The command line against a running farm: what the README promises, exit codes, JSON."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import structlog
from typer.testing import CliRunner, Result

from buildplate.cli.main import app
from buildplate.storage.lock import ProcessLock
from tests.service.api.paper import KEY
from tests.service.api.surface import GCODE, SOON, Surface, listening, open_surface


@dataclass(slots=True)
class Terminal:
    """Somebody at a terminal in front of a farm."""

    surface: Surface
    env: dict[str, str]

    async def type(
        self, line: str, code: int = 0, env: Mapping[str, str | None] | None = None
    ) -> Result:
        runner = CliRunner(env={**self.env, **(env or {})})
        result = await asyncio.to_thread(runner.invoke, app, shlex.split(line))
        assert result.exit_code == code, (line, result.output, result.stderr, result.exception)
        return result

    async def until(self, line: str, text: str) -> list[str]:
        """The lines that were told once `text` is among them.

        What the farm has in mind follows its records within moments, and the queue's numbers are
        told anew after some seconds only.
        """
        told = ""
        try:
            async with asyncio.timeout(SOON):
                while text not in told:
                    told = (await self.type(line)).stdout
        except TimeoutError:
            raise AssertionError(told) from None
        return told.splitlines()

    async def json(self, line: str) -> Any:
        return json.loads((await self.type(f"{line} --json")).stdout)

    async def ready(self, name: str = "Left") -> None:
        await self.type(
            f"printer add {name} --driver paper --connection host={name} "
            f"--connection api_key={KEY} --build-volume 200x200x200 --nozzle 0.4"
        )
        await self.type(f"printer clear-bed {name}")


@asynccontextmanager
async def at_a_terminal(folder: Path) -> AsyncIterator[Terminal]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    try:
        async with open_surface(folder / "farm") as surface, listening(surface) as port:
            env = {
                "BUILDPLATE_URL": f"http://127.0.0.1:{port}",
                "BUILDPLATE_API_KEY": surface.secret,
                "BUILDPLATE_CONFIG": str(folder / "cli.json"),
            }
            yield Terminal(surface, env)
    finally:
        structlog.reset_defaults()


def gcode(folder: Path, name: str = "bracket.gcode", content: bytes = GCODE) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


async def test_the_first_steps_of_the_readme(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    gcode(tmp_path)
    async with at_a_terminal(tmp_path) as me:
        added = await me.type(
            f"printer add Left --driver paper --connection host=Left --connection api_key={KEY} "
            "--build-volume 250x210x220"
        )
        assert added.stdout == "Added printer 1, Left.\n"
        assert me.surface.farm.fleet.printers()[0].status.link == "online"
        assert (await me.type("printer clear-bed Left")).stdout == "Left: clear\n"
        assert "bracket.gcode" in (await me.type("file add bracket.gcode")).stdout
        ordered = await me.type("job add bracket.gcode --copies 3")
        assert ordered.stdout == "Job 1: 3 × bracket.gcode\n"
        await me.surface.until_print(1, state="printing")
        status = (await me.type("job status 1")).stdout
        assert "Job 1 is active: 0 of 3 done" in status
        await me.until("queue list", "busy ×1")
        assert "it has a print of ours" in (await me.type("print why 2")).stdout
        await me.surface.floor["Left"].finish()
        await me.surface.until_print(1, state="completed")
        await me.until("status", "occupied")
        await me.type("printer clear-bed Left")
        await me.surface.until_print(2, state="printing")
        assert "1 of 3 done" in (await me.type("job status 1")).stdout
        assert "tool0" in (await me.type("temperature Left")).stdout


async def test_a_printer_without_a_size_says_what_is_missing(tmp_path: Path) -> None:
    async with at_a_terminal(tmp_path) as me:
        line = f"printer add L --driver paper --connection host=L --connection api_key={KEY}"
        assert "printer edit 1 --build-volume" in (await me.type(line)).stdout
        await me.type("printer edit L --build-volume 250x210x220.5")
        volume = (await me.json("printer show L"))["model"]["build_volume"]
        assert volume == {"x": 250, "y": 210, "z": 220.5}


async def test_a_printer_that_does_not_answer_is_added_and_the_reason_is_told(
    tmp_path: Path,
) -> None:
    async with at_a_terminal(tmp_path) as me:
        line = "printer add L --driver paper --connection host=L --connection api_key=other"
        added = await me.type(line)
        assert "It is auth_required so far: the key was refused." in added.stdout
        quick = await me.type(line.replace(" L ", " M ") + " --no-wait")
        assert "so far" not in quick.stdout


async def test_a_connection_s_values_have_the_types_of_the_driver_s_form(tmp_path: Path) -> None:
    async with at_a_terminal(tmp_path) as me:
        await me.ready()
        await me.type("printer edit Left --connection tls=false")
        shown = (await me.json("printer show Left"))["connection"]
        assert shown == {"host": "Left", "api_key": {"set": True}, "tls": False}
        bad = await me.type("printer edit Left --connection tls=maybe", code=2)
        assert "maybe is no boolean" in bad.stderr
        assert KEY not in (await me.type("printer show Left")).output


async def test_a_print_is_started_paused_resumed_and_cancelled(tmp_path: Path) -> None:
    path = gcode(tmp_path)
    async with at_a_terminal(tmp_path) as me:
        await me.ready()
        started = await me.json(f"print start {path} --printer Left")
        assert started["requirements"]["printers"] == [(await me.json("printer show Left"))["id"]]
        await me.surface.until_print(1, state="printing")
        await me.type("print pause 1")
        await me.surface.until_print(1, state="paused")
        await me.type("print resume 1")
        await me.surface.until_print(1, state="printing")
        assert "busy" not in (await me.type("status --busy")).stdout.splitlines()[0]
        assert "to be cancelled" in (await me.type("print cancel 1")).stdout
        await me.surface.until_print(1, state="cancelled")
        await me.until("status --busy", "No printer has a print.")


async def test_a_person_resolves_what_nobody_can_tell(tmp_path: Path) -> None:
    path = gcode(tmp_path)
    async with at_a_terminal(tmp_path) as me:
        await me.ready()
        await me.type(f"job add {path}")
        await me.surface.until_print(1, state="printing")
        await me.surface.floor["Left"].forget()
        await me.surface.until_print(1, state="needs_attention")
        await me.until("status", "needs attention")
        await me.type("print resolve 1 --outcome failed --bed clear")
        await me.surface.until_print(1, state="failed")


async def test_many_beds_are_cleared_at_once(tmp_path: Path) -> None:
    async with at_a_terminal(tmp_path) as me:
        for name in ("A", "B"):
            await me.type(
                f"printer add {name} --driver paper --connection host={name} "
                f"--connection api_key={KEY}"
            )
            await me.surface.until((await me.json(f"printer show {name}"))["id"], link="online")
        assert (await me.type("printer clear-bed --all")).stdout == "A: clear\nB: clear\n"
        again = await me.type("printer clear-bed --all")
        assert again.stdout == "Every bed is clear, or has a print.\n"
        await me.type("printer clear-bed", code=2)
        await me.type("printer clear-bed A --all", code=2)


async def test_a_number_that_is_another_printer_s_name_means_neither(tmp_path: Path) -> None:
    async with at_a_terminal(tmp_path) as me:
        await me.ready("Left")
        await me.ready("Right")
        session = me.surface.farm.fleet.sessions[(await me.json("printer show Right"))["id"]]
        record = session.record  # as a farm may have it whose printers were named long ago
        await me.surface.farm.fleet.edit(
            record.id, replace(record.spec, name="1"), record.connection, record.version
        )
        refused = await me.type("printer clear-bed 1", code=1)
        assert "one printer's number and another one's name" in refused.stderr
        await me.type("printer edit 2 --name Right")
        assert (await me.json("printer show 1"))["name"] == "Left"


async def test_jobs_and_the_queue_by_command(tmp_path: Path) -> None:
    path = gcode(tmp_path)
    async with at_a_terminal(tmp_path) as me:
        await me.type(f"job add {path} --name first --priority high --due 2030-01-31T12:00:00Z")
        again = [await me.json(f"job add {path} --name second --key order-2") for _ in range(2)]
        assert again[0]["id"] == again[1]["id"]
        await me.type("job add bracket.gcode --hold --material PETG/black --tag dry --retries 0")
        third = await me.json("job show 3")
        assert third["requirements"]["materials"][0]["type"] == "PETG"
        assert (third["hold"], third["retries"]) == (True, 0)
        assert "on hold" in (await me.type("job list")).stdout
        assert (await me.type("job release 3")).stdout == "Job 3 is queued.\n"
        assert (await me.type("job hold 3")).stdout == "Job 3 is queued, on hold.\n"
        assert (await me.type("job duplicate 3")).exit_code == 0
        assert [item["job_number"] for item in await me.json("queue list")] == [1, 2, 3, 4]
        await me.type("queue reorder 4 --before 2")
        assert [item["job_number"] for item in await me.json("queue list")] == [1, 4, 2, 3]
        await me.type("queue reorder 4")
        assert "stopped" in (await me.type("queue stop --reason drill")).stdout
        assert "farm_stopped" in json.dumps(await me.json("print why 1")) or not (
            await me.json("printer list")
        )
        await me.type("queue release")
        assert (await me.type("job cancel 1")).stdout == "Job 1 is cancelled.\n"
        retried = await me.type("job retry 1", code=1)
        assert "was cancelled" in retried.stderr
        assert len(await me.json("print list --state queued")) == 3


async def test_what_a_job_asks_is_said_and_changed_by_command(tmp_path: Path) -> None:
    path = gcode(tmp_path)
    async with at_a_terminal(tmp_path) as me:
        await me.ready()
        job = await me.json(
            f"job add {path} --hold --build-volume 10x10x10 --nozzle 0.4 --model MK4 --plate PEI "
            "--group big --tag dry --without-tag slow --material PLA/black/matte:12"
        )
        asked = job["requirements"]
        assert asked["build_volume"] == {"x": 10, "y": 10, "z": 10}
        assert (asked["nozzle_mm"], asked["printer_model"]) == (0.4, "MK4")
        assert (asked["plate"], asked["group"]) == ("PEI", "big")
        assert (asked["tags_all"], asked["tags_none"]) == (["dry"], ["slow"])
        assert asked["materials"] == [
            {"tool": 0, "type": "PLA", "color": "black", "variant": "matte", "grams": 12}
        ]
        changed = await me.json("job edit 1 --copies 2 --due 2030-01-01T00:00:00Z --plate smooth")
        assert (changed["copies"], changed["requirements"]["plate"]) == (2, "smooth")
        named = await me.json("job edit 1 --printer Left --priority urgent")
        assert (named["due"], named["priority"]) == ("2030-01-01T00:00:00Z", "urgent")
        assert len(named["requirements"]["printers"]) == 1
        await me.type("job edit 1", code=2)


async def test_prints_are_assigned_and_controlled_at_their_printer(tmp_path: Path) -> None:
    path = gcode(tmp_path)
    async with at_a_terminal(tmp_path) as me:
        await me.ready("Left")
        await me.ready("Right")
        await me.type(f"job add {path} --hold")
        assert (await me.type("printer assign Right --job 1")).stdout == "Print 1 goes to Right.\n"
        await me.type("printer assign Right --print 1")
        await me.type("printer assign Right", code=2)
        await me.type("job release 1")
        await me.surface.until_print(1, state="printing")
        await me.until("status --busy", "printing")
        assert "does not wait, it is printing" in (await me.type("print why 1")).stdout
        await me.type("printer pause Right")
        await me.surface.until_print(1, state="paused")
        await me.type("printer resume Right")
        await me.surface.until_print(1, state="printing")
        await me.type("printer cancel Right")
        await me.surface.until_print(1, state="cancelled")
        assert "no print of ours" in (await me.type("printer pause Right", code=1)).stderr
        told = (await me.type("printer disconnect Right")).stdout
        back = "`buildplate printer connect Right`"
        assert told == f"Right is disconnected; take it back with {back}.\n"
        assert (await me.json("printer show Right"))["link"] == "disabled"
        await me.type("printer edit Right --name 'Far right'")
        told = (await me.type("printer disconnect 'Far right'")).stdout
        assert "`buildplate printer connect 'Far right'`" in told, "as a shell takes it"
        await me.type("printer edit 'Far right' --name Right")
        await me.type("printer connect Right")
        await me.surface.until(2, link="online")
        await me.type("printer remove Right")
        assert "Right (retired)" in (await me.type("print list")).stdout
        assert "print.cancelled" in (await me.type("events --limit 1000")).stdout
        assert "printer.added" in (await me.type("events --printer Left")).stdout
        newest, *_ = await me.json(f"events --before {2**53 - 1} --limit 1")
        assert [newest] == (await me.json("events --limit 1000"))[-1:]
        assert "host" in (await me.type("drivers")).stdout
        missing = await me.type("command show 01a21c69-53ae-770d-909f-cd36482c7a73", code=1)
        assert "no command" in missing.stderr


async def test_a_connection_is_tried_before_it_is_changed(tmp_path: Path) -> None:
    async with at_a_terminal(tmp_path) as me:
        await me.ready("Left")
        assert (await me.json("printer probe --printer Left"))["name"] == "Left"
        elsewhere = await me.type("printer probe --printer Left --connection host=evil", code=1)
        assert "Type the printer's key again" in elsewhere.stderr
        await me.type("printer probe --printer Left --driver paper", code=2)
        await me.type("printer probe", code=2)


async def test_a_large_file_is_told_once_it_is_read(tmp_path: Path) -> None:
    path = gcode(tmp_path, content=GCODE + b"; padding padding\n" * 40_000)
    async with at_a_terminal(tmp_path) as me:
        told = (await me.type(f"file add {path}")).stdout
        assert "10 × 10 × 0 mm" in told
        assert told.endswith("ready\n")


async def test_files_by_command(tmp_path: Path) -> None:
    path = gcode(tmp_path)
    async with at_a_terminal(tmp_path) as me:
        file = await me.json(f"file add {path}")
        assert (await me.json("file list")) == [file]
        assert (await me.json("file show bracket.gcode")) == file
        assert file["sha256"] in (await me.type(f"file show {file['id']}")).stdout
        copy = tmp_path / "copy.gcode"
        await me.type(f"file content bracket.gcode -o {copy}")
        assert copy.read_bytes() == GCODE
        await me.type(f"file content bracket.gcode -o {copy}", code=2)
        none = await me.type(f"file thumbnail bracket.gcode -o {tmp_path / 'p.png'}", code=1)
        assert "has no picture" in none.stderr
        assert not (tmp_path / "p.png").exists()
        assert "new.gcode" in (await me.type("file rename bracket.gcode new.gcode")).stdout
        await me.type("file rename new.gcode bracket.gcode")
        assert "deleted" in (await me.type("file remove bracket.gcode")).stdout
        missing = await me.type("file show bracket.gcode", code=1)
        assert "there is no file named bracket.gcode" in missing.stderr
        junk = gcode(tmp_path, "model.stl", b"solid x\nfacet normal 0 0 0\n" * 50)
        refused = await me.type(f"file add {junk}", code=1)
        assert refused.stderr.splitlines() == [
            "buildplate: This is an STL model.",
            "Slice it and upload the G-code.",
        ]
        await me.type(f"file add {tmp_path / 'nowhere.gcode'}", code=2)


async def test_a_file_over_the_limit_is_refused_with_what_to_do(tmp_path: Path) -> None:
    async with at_a_terminal(tmp_path) as me:
        files = me.surface.farm.files
        files._config = type(files._config)(max_bytes=100_000)
        path = gcode(tmp_path, content=GCODE + b"G1 X10 Y10 E1\n" * 200_000)
        refused = await me.type(f"file add {path}", code=1)
        assert "larger than the limit" in refused.stderr
        assert "raise the limit" in refused.stderr


async def test_keys_by_command(tmp_path: Path) -> None:
    async with at_a_terminal(tmp_path) as me:
        made = await me.json("key add shop --role viewer --expires 2099-01-01")
        assert made["key"].startswith("bp_")
        assert "shop" in (await me.type("key list")).stdout
        shop = {"BUILDPLATE_API_KEY": made["key"]}
        refused = await me.type("queue stop", code=1, env=shop)
        assert "needs the role operator" in refused.stderr
        await me.type("status", env=shop)
        await me.type(f"key revoke {made['id']}")
        locked = await me.type("status", code=1, env=shop)
        assert "buildplate login" in locked.stderr


async def test_exit_codes_tell_refused_wrong_and_unreachable_apart(tmp_path: Path) -> None:
    async with at_a_terminal(tmp_path) as me:
        await me.type("job show 99", code=1)
        await me.type("printer show Nobody", code=1)
        await me.type("job add", code=2)
        await me.type("job add x --copies 0", code=2)
        await me.type("job add x --due whenever", code=2)
        await me.type("--data-dir x status", code=2)
        await me.type("fly", code=2)
        gone = await me.type("status", code=3, env={"BUILDPLATE_URL": "http://127.0.0.1:1"})
        assert "cannot be reached" in gone.stderr
        await me.type("--url http://127.0.0.1:1 status", code=3)
        await me.type("status", code=3, env={"BUILDPLATE_URL": "nonsense"})
        late = await me.type("key add x --role viewer --expires foo", code=2)
        assert "--expires foo" in late.stderr
        odd = await me.type("status", code=2, env={"BUILDPLATE_API_KEY": "…"})
        assert "signs that no key has" in odd.stderr


async def test_the_key_goes_through_no_proxy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    async with at_a_terminal(tmp_path) as me:
        await me.type("status")


async def test_a_server_that_is_another_one_is_no_server(tmp_path: Path) -> None:
    async def something_else(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 404 Not Found\r\ncontent-length: 5\r\n\r\nhello")
        await writer.drain()
        writer.close()

    async with at_a_terminal(tmp_path) as me:
        server = await asyncio.start_server(something_else, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        odd = await me.type("status", code=3, env={"BUILDPLATE_URL": url})
        assert "not as Buildplate does" in odd.stderr
        server.close()


async def test_what_is_kept_is_for_its_owner_and_its_server_only(tmp_path: Path) -> None:
    async with at_a_terminal(tmp_path) as me:
        bare: dict[str, str | None] = {"BUILDPLATE_URL": None, "BUILDPLATE_API_KEY": None}
        await me.type("login")
        kept = tmp_path / "cli.json"
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
        await me.type("printer list", env=bare)
        async with listening(me.surface) as other:
            stranger = await me.type(f"--url http://127.0.0.1:{other} status", code=1, env=bare)
            assert "this needs an API key" in stranger.stderr
        kept.chmod(0o640)
        open_file = await me.type("printer list", code=2, env=bare)
        assert "chmod 600" in open_file.stderr
        wrong = await me.type("login", code=1, env={"BUILDPLATE_API_KEY": "bp_" + "x" * 43})
        assert "not known here" in wrong.stderr


async def test_names_of_others_do_not_reach_the_terminal_as_commands(tmp_path: Path) -> None:
    async with at_a_terminal(tmp_path) as me:
        await me.surface.job(name="[red]x[/red]", hold=True)
        assert "[red]x[/red]" in (await me.type("job list")).stdout


async def test_keys_are_made_on_the_data_while_no_server_runs(tmp_path: Path) -> None:
    folder = tmp_path / "farm"
    async with at_a_terminal(tmp_path) as me:
        busy = await me.type(f"--data-dir {folder} key add me --role admin", code=1)
        assert "in use by process" in busy.stderr
        assert "Stop the other server" in busy.stderr
    runner = CliRunner(env={"BUILDPLATE_CONFIG": str(tmp_path / "none")})
    offline = ["--data-dir", str(folder), "key"]
    made = await asyncio.to_thread(
        runner.invoke, app, [*offline, "add", "me", "--role", "admin", "--json"]
    )
    assert made.exit_code == 0, made.output
    key = json.loads(made.stdout)
    listed = await asyncio.to_thread(runner.invoke, app, [*offline, "list", "--json"])
    assert [one["name"] for one in json.loads(listed.stdout)] == ["me", "first admin"]
    async with open_surface(folder) as surface, surface.with_key(key["key"]) as me_again:
        assert (await me_again.get("/api/v1/keys")).status_code == 200
    revoked = await asyncio.to_thread(runner.invoke, app, [*offline, "revoke", key["id"]])
    assert revoked.exit_code == 0


async def test_a_mistyped_folder_makes_no_farm(tmp_path: Path) -> None:
    runner = CliRunner(env={"BUILDPLATE_CONFIG": str(tmp_path / "none")})

    def run(*words: str) -> Result:
        return runner.invoke(app, ["--data-dir", str(tmp_path / "fram"), "key", *words])

    for words in (["list"], ["revoke", "x"]):
        refused = await asyncio.to_thread(run, *words)
        assert refused.exit_code == 1
        assert "there is no farm in" in refused.stderr
    assert not os.listdir(tmp_path)  # noqa: PTH208 (nothing waits here)
    made = await asyncio.to_thread(run, "add", "me", "--role", "admin", "--json")
    assert "a new one is made" in made.stderr
    assert json.loads(made.stdout)["key"].startswith("bp_")
    again = await asyncio.to_thread(run, "add", "other", "--role", "admin", "--json")
    assert again.stderr == ""


@pytest.mark.parametrize("below", ["file/farm", "file"])
def test_a_folder_that_cannot_be_is_one_sentence(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("no folder")
    for command in (["serve", "--port", "0", "--data-dir"], ["--data-dir"]):
        words = [*command, str(tmp_path / below)]
        more = [] if "serve" in words else ["key", "add", "me", "--role", "admin"]
        done = _run(*words, *more)
        assert done.returncode == 1, done.stderr
        assert len(done.stderr.splitlines()) <= 3, done.stderr
        assert "Traceback" not in done.stderr


def test_a_second_demo_on_the_same_data_is_one_sentence(tmp_path: Path) -> None:
    lock = ProcessLock(tmp_path / "farm")
    lock.take()
    done = _run("serve", "--demo", "2", "--port", "0", "--data-dir", str(tmp_path))
    lock.release()
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert f"{tmp_path} is in use by process {os.getpid()}" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["farm.lock"]


def _run(*words: str) -> subprocess.CompletedProcess[str]:
    code = "from buildplate.cli.main import app; app()"
    command = [sys.executable, "-c", code, *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_the_way_in_is_quick() -> None:
    code = (
        "import sys, buildplate.cli.main\n"
        "slow = 'httpx fastapi sqlalchemy aiohttp uvicorn pydantic rich.table'.split()\n"
        "print([name for name in slow if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"
