"""The log of a running farm: one request is followed to its printer; levels change by a path."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from buildplate.access.model import Role
from buildplate.dispatch.trails import TRAILS
from tests.service.api.log_reader import Log, logging_to
from tests.service.api.paper import PaperHost
from tests.service.api.surface import Surface, open_surface


@pytest.fixture
def log() -> Iterator[Log]:
    with logging_to(io.StringIO()) as found:
        yield found


async def order(surface: Surface, request_id: str) -> dict[str, Any]:
    file = await surface.file()
    answer = await surface.client.post(
        "/api/v1/jobs", json={"file_id": file["id"]}, headers={"x-request-id": request_id}
    )
    assert answer.headers["x-request-id"] == request_id
    found: dict[str, Any] = answer.json()
    return found


async def test_one_id_is_followed_from_the_request_to_the_printer(log: Log, tmp_path: Path) -> None:
    async with open_surface(tmp_path) as surface:
        printer = await surface.printer()
        job = await order(surface, "shop-42")
        (print_,) = await surface.prints(job["id"])
        await surface.until_print(print_["id"], state="printing")
        await surface.floor["Left"].finish()
        await surface.until_print(print_["id"], state="completed")
    found = log.lines(correlation_id="shop-42")
    assert [line["path"] for line in found if line["event"] == "http"] == ["/api/v1/jobs"]
    assert [line["action"] for line in found if line["event"] == "job"] == ["accepted"]
    steps = [line["action"] for line in found if line["event"] == "print"]
    assert steps[0] == "claimed"
    assert "completed" in steps[-1]
    for line in found:
        if line["event"] in ("print", "start.answered"):
            assert line["job_id"] == job["id"]
            assert line["print_id"] == print_["id"]
            assert line["printer_id"] == printer["id"]
    assert [line for line in found if line["event"] == "start.answered"]


async def test_an_order_is_followed_over_a_restart(log: Log, tmp_path: Path) -> None:
    floor: dict[str, PaperHost] = {}
    async with open_surface(tmp_path, floor=floor) as surface:
        job = await order(surface, "before-the-restart")
        other = await order(surface, "another")
    assert log.lines(correlation_id="before-the-restart")
    log.forget()
    for kept in (TRAILS._jobs, TRAILS._job_of):  # another process remembers nothing
        kept.clear()
    async with open_surface(tmp_path, floor=floor) as surface:
        await surface.printer()
        await surface.client.post(f"/api/v1/jobs/{other['id']}/cancel")
        (print_,) = await surface.prints(job["id"])
        await surface.until_print(print_["id"], state="printing")
    claimed = log.lines(event="print", action="claimed")
    assert [line["correlation_id"] for line in claimed] == ["before-the-restart"]


async def test_the_id_of_a_request_is_the_clients_only_where_it_is_harmless(
    surface: Surface,
) -> None:
    for given in ("a b", "x" * 129, "ä", 'a"b', ""):
        answer = await surface.client.get("/health", headers={b"x-request-id": given.encode()})
        assert answer.headers["x-request-id"] != given
    answer = await surface.client.get("/health", headers={"x-request-id": "A-z_0.9:"})
    assert answer.headers["x-request-id"] == "A-z_0.9:"


async def test_an_administrator_changes_how_much_a_room_logs(log: Log, tmp_path: Path) -> None:
    async with open_surface(tmp_path) as surface:
        first = await surface.client.get("/api/v1/settings")
        assert set(first.json()["log_levels"].values()) == {"debug"}
        body: dict[str, Any] = {"log_levels": {"api": "error"}}
        changed = await surface.client.patch("/api/v1/settings", json=body)
        assert changed.json()["log_levels"]["api"] == "error"
        assert changed.json()["log_levels"]["fleet"] == "debug"
        assert log.lines(event="settings.changed")
        log.forget()
        await surface.client.get("/api/v1/jobs")
        assert not log.lines(event="http")
        body = {"log_levels": dict.fromkeys(["api"])}
        await surface.client.patch("/api/v1/settings", json=body)
        await surface.client.get("/api/v1/jobs")
        assert log.lines(event="http", path="/api/v1/jobs")


@pytest.mark.parametrize(
    "body", [{"log_levels": {"nobody": "info"}}, {"log_levels": {"api": "loud"}}, {"colour": 1}]
)
async def test_a_setting_that_does_not_exist_is_refused(surface: Surface, body: Any) -> None:
    answer = await surface.client.patch("/api/v1/settings", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"]


async def test_settings_are_the_administrators(surface: Surface) -> None:
    async with await surface.caller(Role.OPERATOR) as operator:
        assert (await operator.get("/api/v1/settings")).status_code == 403
        assert (await operator.patch("/api/v1/settings", json={})).status_code == 403


async def test_nothing_is_lost_when_many_log_at_once(log: Log, surface: Surface) -> None:
    await asyncio.gather(*(surface.client.get(f"/api/v1/jobs?limit={n}") for n in range(1, 30)))
    assert len(log.lines(event="http", path="/api/v1/jobs")) == 29
