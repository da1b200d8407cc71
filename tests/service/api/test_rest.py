"""Events, health and the API's own documents."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import httpx
import pytest

from buildplate import __version__
from buildplate.access.model import Role
from buildplate.api.application import openapi_document
from buildplate.api.guard import is_open
from tests.service.api.surface import Surface


async def all_events(surface: Surface, limit: int = 1000) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        after = found[-1]["seq"] if found else 0
        page = (await surface.client.get(f"/api/v1/events?after={after}&limit={limit}")).json()
        found += page["items"]
        if page["next_cursor"] is None:
            return found


async def test_the_event_log_is_gapless_however_it_is_read(surface: Surface) -> None:
    host, print_ = await surface.running()
    await host.finish()
    await surface.until_print(print_["id"], state="completed")
    async with asyncio.timeout(5):
        while not [e for e in await all_events(surface) if e["kind"] == "print.completed"]:
            await asyncio.sleep(0.02)
    events = await all_events(surface)
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert await all_events(surface, limit=3) == events
    kinds = [event["kind"] for event in events if event["print_id"] == print_["id"]]
    assert kinds[0] == "print.queued"
    assert kinds[-1] == "print.completed"
    assert (await surface.client.get("/api/v1/events?after=-1")).status_code == 422
    assert (await surface.client.get(f"/api/v1/events?after={2**63}")).status_code == 422


async def test_the_events_of_one_printer_come_page_by_page(surface: Surface) -> None:
    left, right = await surface.printer("Left"), await surface.printer("Right")
    every = [e for e in await all_events(surface) if e["printer_id"] == left["id"]]
    path = f"/api/v1/printers/{left['number']}/events"
    found: list[dict[str, Any]] = []
    cursor: str | None = "0"
    while cursor is not None:
        page = (await surface.client.get(f"{path}?limit=2&after={cursor}")).json()
        found += page["items"]
        cursor = page["next_cursor"]
    assert found == every
    assert "printer.added" in [event["kind"] for event in found]
    await surface.client.delete(f"/api/v1/printers/{right['id']}")
    gone = await surface.client.get(f"/api/v1/printers/{right['id']}/events")
    assert {event["printer_id"] for event in gone.json()["items"]} == {right["id"]}
    assert (await surface.client.get("/api/v1/printers/77/events")).status_code == 404


async def read_back(client: httpx.AsyncClient, path: str, limit: int) -> list[dict[str, Any]]:
    """The log from its end to its beginning, part by part."""
    found: list[dict[str, Any]] = []
    before: int = 2**53 - 1
    while before:
        page = (await client.get(f"{path}?before={before}&limit={limit}")).json()
        assert (page["next_cursor"] is None) is (page["read_to"] == 0)
        found += page["items"]
        before = page["read_to"]
    return found


async def test_the_event_log_is_read_back_from_its_end(surface: Surface) -> None:
    left, right = await surface.printer("Left"), await surface.printer("Right")
    async with asyncio.timeout(5):  # the relay comes after the answers
        while [e["kind"] for e in await all_events(surface)].count("bed.clear") < 2:
            await asyncio.sleep(0.02)
    events = await all_events(surface)
    for limit in (1, 3, len(events), 1000):
        assert await read_back(surface.client, "/api/v1/events", limit) == events[::-1]
    mine = [event for event in events if event["printer_id"] == left["id"]]
    path = f"/api/v1/printers/{left['number']}/events"
    assert await read_back(surface.client, path, 2) == mine[::-1]
    some = await surface.client.get(f"/api/v1/events?before={events[2]['seq']}")
    assert some.json()["items"] == events[:2][::-1]
    for wrong in ("after=1&before=3", "before=-1", f"before={2**53}"):
        assert (await surface.client.get(f"/api/v1/events?{wrong}")).status_code == 422
    gone = await surface.client.get("/api/v1/events?before=3&log=another")
    assert (gone.status_code, gone.json()["code"]) == (409, "log_restarted")
    await surface.client.patch(f"/api/v1/printers/{left['id']}", json={"group": "ours"})
    await surface.client.patch(f"/api/v1/printers/{right['id']}", json={"group": "theirs"})
    made = await surface.farm.keys.create("ours", Role.VIEWER, groups=frozenset({"ours"}))
    async with surface.with_key(made.secret) as confined:
        seen = await read_back(confined, "/api/v1/events", 2)
    assert [event["seq"] for event in seen] == sorted((e["seq"] for e in seen), reverse=True)
    assert {event["printer_id"] for event in seen} == {left["id"]}


async def test_health_counts_printers_by_what_they_do(surface: Surface) -> None:
    assert (await surface.client.get("/health")).json() == {
        "status": "ok",
        "version": __version__,
        "printers": {"total": 0, "online": 0, "printing": 0, "attention": 0},
    }
    await surface.running("Left")
    await surface.printer("Right")
    health = (await surface.client.get("/health")).json()
    assert health["status"] == "ok"
    assert health["printers"] == {"total": 2, "online": 2, "printing": 1, "attention": 0}
    await surface.floor["Right"].vanish()
    await surface.until(2, link="offline")
    assert (await surface.client.get("/health/")).json()["status"] == "degraded"
    await surface.client.patch("/api/v1/printers/2", json={"enabled": False})
    assert (await surface.client.get("/health")).json()["status"] == "ok"


async def test_health_answers_within_a_second_while_the_database_hangs(
    surface: Surface, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(*_: object) -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr(surface.farm.storage, "read", hang)
    async with surface.with_key(None) as anybody, asyncio.timeout(1.0):
        calls: list[Awaitable[Any]] = [anybody.get("/health") for _ in range(20)]
        answers = await asyncio.gather(*calls)
    assert answers[0].status_code == 503
    assert answers[0].json()["status"] == "down"
    async with surface.with_key(None) as anybody:
        assert (await anybody.get("/health")).status_code == 503


OUTSIDE = re.compile(r"https?://[^\"'\s]+\.(?:svg|png|jpe?g|gif|css|woff2?)\b")
PAGES = {
    "/docs": {"/docs/swagger-ui-bundle.js", "/docs/swagger-ui.css", "/docs/try.js"},
    "/redoc": {"/docs/redoc.standalone.js", "/docs/read.js"},
}


@pytest.mark.parametrize("path", PAGES)
async def test_the_docs_load_nothing_from_elsewhere(surface: Surface, path: str) -> None:
    async with surface.with_key(None) as anybody:
        page = await anybody.get(path)
        named = re.findall(r"""(?:src|href|url)["']?\s*[=:]\s*["']([^"']+)["']""", page.text)
        assert PAGES[path] <= set(named)
        for address in named:
            assert address.startswith("/"), address
            part = await anybody.get(address)
            assert part.status_code == 200, address
            assert OUTSIDE.findall(part.text) == [], address
        for start in (one for one in named if one.endswith(("try.js", "read.js"))):
            assert "'/openapi.json'" in (await anybody.get(start)).text
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert not re.search(r"<script(?![^>]*\bsrc=)|\son\w+=", page.text), "script in the page"
        for other in ("../core.py", "nothing.js", "%2e%2e/core.py"):
            assert (await anybody.get(f"/docs/{other}")).status_code in (401, 404)


async def test_the_document_says_how_to_be_let_in(surface: Surface) -> None:
    document = (await surface.client.get("/openapi.json")).json()
    assert document["components"]["securitySchemes"].keys() == {"X-Api-Key", "Bearer", "Cookie"}
    for path, methods in document["paths"].items():
        for operation in methods.values():
            assert bool(operation.get("security")) is not is_open(path), path
            assert operation["summary"]
            refused = {status for status in operation["responses"] if status[0] in "45"}
            assert {"422", "429", "5XX"} <= refused, path
            assert "default" not in operation["responses"], "every status is named"
    assert "HTTPValidationError" not in json.dumps(document)


def test_the_committed_document_is_what_is_served() -> None:
    kept = Path(__file__).parents[3] / "docs" / "reference" / "openapi.json"
    assert json.loads(kept.read_text(encoding="utf-8")) == openapi_document(__version__)
