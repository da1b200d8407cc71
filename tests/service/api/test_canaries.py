"""Canaries: secrets given to a farm are seen again by their printers and by nobody else."""

from __future__ import annotations

import asyncio
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from buildplate.app.redaction import HIDDEN
from buildplate.cli.main import app
from tests.service.api import paper
from tests.service.api.log_reader import Log, logging_to
from tests.service.api.paper import PaperHost
from tests.service.api.surface import Surface, listening, open_surface

RIGHT = "canary-right-7d1f0b6a"
WRONG = "canary-wrong-c2e84d97"
LATER = "canary-later-51a9e3f8"
CANARIES = (RIGHT, WRONG, LATER)


@pytest.fixture
def log() -> Iterator[Log]:
    with logging_to(io.StringIO()) as found:
        yield found


@pytest.fixture(autouse=True)
def _canary_opens_the_printers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paper, "KEY", RIGHT)


class Seen:
    """Every answer that anybody got."""

    def __init__(self, surface: Surface) -> None:
        self.texts: list[str] = []
        self.surface = surface
        surface.client.event_hooks["response"].append(self._note)

    async def _note(self, answer: httpx.Response) -> None:
        await answer.aread()
        self.texts += [str(answer.headers), answer.text]


def connection(key: object, name: str = "Left") -> dict[str, Any]:
    return {"host": name, "api_key": key}


async def live_through(seen: Seen) -> None:
    """Add, probe, fail, edit, print, retire: well and badly."""
    surface = seen.surface
    client = surface.client
    await surface.printer("Left", connection=connection(RIGHT))
    await client.post(
        "/api/v1/printers",
        json={"name": "Wrong", "driver": "paper", "connection": connection(WRONG)},
    )
    await surface.until(2, link="auth_required")
    for key in (WRONG, RIGHT):
        body = {"driver": "paper", "connection": connection(key)}
        await client.post("/api/v1/printers/probe", json=body)
    for bad in (
        {"connection": {"api_key": {"in": [LATER]}, "more": LATER}},
        {"connection": LATER},
        {"api_key": LATER},
        {"connection": {"password": LATER}},
    ):
        answer = await client.patch("/api/v1/printers/1", json=bad)
        assert not answer.is_success
    await client.post("/api/v1/printers", content=f'{{"connection": "{LATER}"'.encode())
    changed = await client.patch("/api/v1/printers/2", json={"connection": {"api_key": LATER}})
    assert changed.status_code == 200
    _, print_ = await surface.running()
    await surface.floor["Left"].finish()
    await surface.until_print(print_["id"], state="completed")
    await surface.floor["Left"].vanish()
    await surface.until(1, link="offline")
    await client.delete("/api/v1/printers/2")


async def look_everywhere(seen: Seen) -> None:
    """GET every path there is."""
    client = seen.surface.client
    document = (await client.get("/openapi.json")).json()
    ids = {
        "printer_id": "1",
        "job_id": "1",
        "print_id": "1",
        "file_id": (await client.get("/api/v1/files")).json()["items"][0]["id"],
    }
    looked = 0
    for path, methods in document["paths"].items():
        if "get" in methods:
            asked = re.sub(r"\{(\w+)\}", lambda match: ids.get(match[1], "1"), path)
            looked += (await client.get(asked)).is_success
    await client.get("/api/v1/printers/2")
    await client.get("/api/v1/printers?live=true")
    assert looked > 20


def processes() -> str:
    """What everybody on this machine can see of everybody's processes."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes().decode("utf-8", "replace"))
        except OSError:
            continue
    return "\n".join(found)


def on_the_disk(folder: Path) -> str:
    found = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    return b"\n".join(found).decode("latin-1")


async def test_no_canary_is_seen_in_answers_logs_metrics_events_processes_or_on_the_disk(
    log: Log, tmp_path: Path
) -> None:
    floor: dict[str, PaperHost] = {}
    listed = []
    async with open_surface(tmp_path, floor=floor) as surface:
        seen = Seen(surface)
        await live_through(seen)
        await look_everywhere(seen)
        listed.append(processes())
    async with open_surface(tmp_path, floor=floor) as surface:
        seen.surface = surface
        await look_everywhere(Seen(surface))
    texts = {
        "answers": "\n".join(seen.texts),
        "log": log.text,
        "processes": "\n".join(listed),
        "disk": on_the_disk(tmp_path),
    }
    assert floor["Left"].started, "the right key never got to its printer"
    assert len(texts["log"]) > 10_000
    assert "buildplate_printer_link" in texts["answers"]
    assert '"kind":"printer.edited"' in texts["answers"]
    for where, text in texts.items():
        for canary in CANARIES:
            assert canary not in text, (where, text[max(0, text.find(canary) - 200) :][:400])


async def test_a_driver_that_tells_its_key_in_an_error_is_not_repeated_in_the_log(
    log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def careless(self: Any, *, wake: bool = False) -> Any:
        message = f"GET /api?apikey={self._api_key} failed"
        raise RuntimeError(message)

    monkeypatch.setattr(paper.PaperDriver, "connect", careless)
    async with open_surface(tmp_path) as surface:
        body = {"name": "Left", "driver": "paper", "connection": connection(RIGHT)}
        await surface.client.post("/api/v1/printers", json=body)
        async with asyncio.timeout(10):
            while not log.lines(event="task.failed"):
                await asyncio.sleep(0.02)
    (line, *_) = log.lines(event="task.failed")
    assert f"apikey={HIDDEN} failed" in line["exception"]
    assert RIGHT not in log.text


async def test_a_key_can_be_given_to_the_command_line_without_being_an_argument(
    log: Log, tmp_path: Path
) -> None:
    kept = tmp_path / "key.txt"
    kept.write_text(RIGHT + "\n")
    async with open_surface(tmp_path / "farm") as surface, listening(surface) as port:
        env = {"BUILDPLATE_URL": f"http://127.0.0.1:{port}", "BUILDPLATE_API_KEY": surface.secret}

        def typed(name: str, key: str, given: str | None = None) -> Any:
            line = ["printer", "add", name, "--driver", "paper", "--connection", f"host={name}"]
            runner = CliRunner(env=env)
            done = runner.invoke(app, [*line, "--connection", key, "--json"], input=given)
            assert done.exit_code == 0, done.output
            return done

        from_file = await asyncio.to_thread(typed, "Left", f"api_key=@{kept}")
        piped = await asyncio.to_thread(typed, "Right", "api_key=@-", RIGHT)
        plain = await asyncio.to_thread(typed, "Third", f"api_key={RIGHT}")
        for number in (1, 2, 3):
            await surface.until(number, link="online")
    assert "process list" in plain.stderr
    for done in (from_file, piped, plain):
        assert RIGHT not in done.output
        assert json.loads(done.stdout)["connection"]["api_key"] == {"set": True}
    assert not from_file.stderr
