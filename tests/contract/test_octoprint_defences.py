"""The OctoPrint driver keeps its secrets, its time and its words on a host that means no good."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from threading import Thread, current_thread
from typing import Any

import orjson
import pytest
from aiohttp import web

from buildplate.drivers.octoprint import DRIVER, mapping
from buildplate.drivers.octoprint.answers import Job
from buildplate.drivers.octoprint.client import Reply
from buildplate.drivers.sdk import (
    Activity,
    FileUnreadable,
    HostConfused,
    PrinterOffline,
    Refused,
)
from tests.contract.odd_octoprint import OddOctoPrint, job, levels, odd_octoprint
from tests.contract.test_octoprint_traps import TIMINGS, body, line

SOCKET = ("GET", "/sockjs/websocket")
PINGS = 4000


@pytest.fixture
async def host() -> AsyncIterator[OddOctoPrint]:
    async with odd_octoprint() as made:
        yield made


async def test_a_redirected_push_socket_carries_the_key_nowhere(host: OddOctoPrint) -> None:
    keys: list[str | None] = []

    async def listens(request: web.Request) -> web.StreamResponse:
        keys.append(request.headers.get("X-Api-Key"))
        return web.Response(status=404)

    async with odd_octoprint() as other:
        other.handlers[SOCKET] = listens

        async def elsewhere(_: web.Request) -> web.StreamResponse:
            return web.Response(
                status=302, headers={"Location": f"{other.connection['url']}{SOCKET[1]}"}
            )

        host.handlers[SOCKET] = elsewhere
        driver = DRIVER.make(host.connection, TIMINGS)
        with pytest.raises(HostConfused, match="redirects"):
            await driver.connect()
        await driver.close()
    assert keys == []


async def test_a_flood_of_pings_is_answered_at_a_bounded_rate(host: OddOctoPrint) -> None:
    async with line(host) as joined:
        socket = host.sockets[-1]
        for _ in range(PINGS):
            await socket.ping()
        await asyncio.sleep(TIMINGS.request / 2)
        assert 0 < host.pongs < PINGS / 2
        assert joined.lost is None


async def test_a_file_that_cannot_be_read_here_is_no_lost_printer(host: OddOctoPrint) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"G28\n"
        message = "the disk is broken"
        raise FileUnreadable(message)

    async with line(host) as joined:
        with pytest.raises(FileUnreadable, match="the disk is broken"):
            await joined.driver.upload("bp-x-1.gcode", replace(body(), open=broken))
        for size in (4, 6):
            with pytest.raises(FileUnreadable, match="announced"):
                await joined.driver.upload("bp-x-1.gcode", replace(body(), size=size))


@pytest.mark.parametrize(("wake", "orders"), [(False, 0), (True, 1)])
async def test_after_an_error_only_a_person_has_the_machine_connected_again(
    host: OddOctoPrint, *, wake: bool, orders: int
) -> None:
    host.job = job("Offline after error", error="SerialException: gone")
    host.handlers["POST", "/api/connection"] = _done
    driver = DRIVER.make(host.connection, TIMINGS)
    await driver.connect(wake=wake)
    await driver.close()
    assert host.seen["POST", "/api/connection"] == orders


async def _done(_: web.Request) -> web.StreamResponse:
    return web.Response(status=204)


@pytest.mark.parametrize("left", [3e11, -5, "soon", True])
async def test_an_absurd_time_left_is_none(host: OddOctoPrint, left: Any) -> None:
    host.job = job("Printing", "a.gcode") | {"progress": {"printTimeLeft": left}}
    host.levels = levels(progress={"printTimeLeft": left, "completion": 50})
    driver = DRIVER.make(host.connection, TIMINGS)
    await driver.connect()
    try:
        assert (await driver.look(None)).time_left_s is None
        async with asyncio.timeout(2):
            push = await anext(aiter(driver.pushes()))
        assert (push.progress, push.time_left_s) == (0.5, None)
    finally:
        await driver.close()


async def test_a_nul_of_a_noisy_line_is_told_as_what_no_database_refuses(
    host: OddOctoPrint,
) -> None:
    host.job = job("Offline after error", "a\0b.gcode", error="No\0 line")
    host.levels = levels(state={"text": "a\0b", "error": "No\0 line", "flags": {}})

    async def refuse(_: web.Request) -> web.StreamResponse:
        return web.json_response({"error": "not\0 now"}, status=409)

    host.handlers["POST", "/api/job"] = refuse
    driver = DRIVER.make(host.connection, TIMINGS)
    await driver.connect()
    try:
        reading = await driver.look(None)
        answer = await driver.pause()
    finally:
        await driver.close()
    assert "No\ufffd line" in reading.detail
    assert "\0" not in repr(reading)
    assert answer == Refused("busy", "not\ufffd now")


async def test_a_host_with_very_many_files_holds_up_nobody(
    host: OddOctoPrint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What takes long of a long list is done in other threads than the loop's."""
    prints = {"success": 1, "failure": 0, "last": {"success": True, "printTime": 5.0}}
    host.files = [
        {"path": f"part-{n}.gcode", "name": f"part-{n}.gcode", "prints": prints}
        for n in range(20_000)
    ]
    answer = orjson.dumps({"files": host.files, "free": host.free})
    workers: dict[str, Thread] = {}
    digest, parse = mapping.fingerprint, Reply.json

    async def listing(_: web.Request) -> web.StreamResponse:
        return web.Response(body=answer, content_type="application/json")

    def noted_digest(job: Job, files: object) -> str:
        workers["digest"] = current_thread()
        return digest(job, files)

    def noted_parse(reply: Reply) -> dict[str, Any]:
        if len(reply.body) == len(answer):
            workers["parse"] = current_thread()
        return parse(reply)

    host.handlers["GET", "/api/files/local"] = listing
    monkeypatch.setattr(mapping, "fingerprint", noted_digest)
    monkeypatch.setattr(Reply, "json", noted_parse)
    async with line(host) as joined:
        assert (await joined.driver.look(None, deep=True)).fingerprint
    assert workers.keys() == {"digest", "parse"}
    assert current_thread() not in workers.values()


async def test_a_look_that_fails_leaves_no_cancellation_behind(host: OddOctoPrint) -> None:
    task = asyncio.current_task()
    assert task is not None
    async with line(host) as joined:
        host.handlers["GET", "/api/printer"] = _broken
        before = task.cancelling()
        with pytest.raises(HostConfused):
            await joined.driver.look(None)
        assert task.cancelling() == before


@pytest.mark.parametrize("path", ["/api/job", "/api/printer"])
async def test_a_look_that_hangs_ends_in_the_time_of_one_request(
    host: OddOctoPrint, path: str
) -> None:
    task = asyncio.current_task()
    assert task is not None
    async with line(host) as joined:
        host.handlers["GET", path] = _silent
        before, began = task.cancelling(), time.monotonic()
        with pytest.raises(PrinterOffline, match="no complete answer within"):
            await joined.driver.look(None)
        assert TIMINGS.request * 0.9 < time.monotonic() - began < TIMINGS.request * 1.9
        assert task.cancelling() == before
        del host.handlers["GET", path]
        assert (await joined.driver.look(None)).activity is Activity.IDLE


async def _silent(_: web.Request) -> web.StreamResponse:
    await asyncio.sleep(TIMINGS.request * 10)
    return web.Response(status=500)


async def _broken(_: web.Request) -> web.StreamResponse:
    return web.Response(status=500)
