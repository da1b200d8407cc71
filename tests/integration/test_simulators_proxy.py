"""The fault proxy holds, drops, replays, mixes and cuts, and outlives its clients."""

from __future__ import annotations

import asyncio
import hashlib
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
import pytest_asyncio

from buildplate_sim.errors import RefusedControlError
from buildplate_sim.launch import Simulator, octoprints
from tests.integration.simulator_client import PART, Client, Hall, Seat, client, listening

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.asyncio(loop_scope="module")

PRINT = {"command": "select", "print": True}
START = "/api/files/local/part.gcode"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hall(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Hall]:
    folder = tmp_path_factory.mktemp("proxy")
    async with octoprints(folder, count=50, time_factor=60, seed=5, proxy=True) as simulator:
        yield Hall(simulator)


@pytest.fixture
def farm(hall: Hall) -> Seat:
    return hall.seat(2)


@pytest.fixture
def name(farm: Seat) -> str:
    return str(farm.printers[0]["name"])


@pytest_asyncio.fixture(loop_scope="module")
async def octo(farm: Seat) -> AsyncIterator[Client]:
    printer = farm.printers[0]
    async with listening(printer, url=printer["proxy_url"]) as listener:
        await listener.upload("part.gcode")
        yield listener


async def outcomes(farm: Seat, name: str) -> list[str]:
    return [entry["outcome"] for entry in await farm.admin.log(name, "end")]


async def starts(farm: Seat, name: str) -> int:
    return len(await farm.admin.log(name, "start"))


async def commands(farm: Seat, name: str, command: str) -> list[int]:
    """What each of these commands that arrived was answered."""
    log = await farm.admin.log(name)
    asked = [e["request"] for e in log if e["event"] == "command" and e["command"] == command]
    statuses = {e["request"]: e["status"] for e in log if e["event"] == "answer"}
    return [statuses[number] for number in asked]


async def gives_up(octo: Client, path: str, body: Any, after_s: float = 0.2) -> None:
    with pytest.raises(TimeoutError):
        await octo.post(path, body, timeout=aiohttp.ClientTimeout(after_s))


async def test_without_faults_everything_passes(farm: Seat, octo: Client) -> None:
    big = b"G1 X1 F3000 ; padding padding\n" * 200_000
    status, body = await octo.upload("big.gcode", big)
    assert status == 201
    assert body["files"]["local"]["refs"]["resource"].startswith(farm.printers[0]["proxy_url"])
    _, back = await octo.get("/downloads/files/local/big.gcode")
    assert hashlib.sha256(back).digest() == hashlib.sha256(big).digest()
    assert (await octo.get("/api/files/local/none.gcode"))[0] == 404
    assert await octo.start("part.gcode") == 204
    await octo.until_event("PrintDone")
    assert await octo.delete("part.gcode") == 204


async def test_a_held_start_is_delivered_although_its_client_is_gone(
    farm: Seat, name: str, octo: Client
) -> None:
    await farm.admin.proxy_rule(name, "request", "hold", command="print", params={"seconds": 90})
    printer = farm.printers[0]
    async with client(printer, url=printer["proxy_url"]) as other:
        await gives_up(other, START, PRINT)
    assert await starts(farm, name) == 0
    await octo.until_event("PrintDone")
    assert await outcomes(farm, name) == ["completed"]


async def test_a_held_upload_is_stored_although_its_client_is_gone(farm: Seat, name: str) -> None:
    printer = farm.printers[0]
    await farm.admin.proxy_rule(
        name, "request", "hold", path="/api/files/local", params={"seconds": 90}
    )
    async with client(printer, url=printer["proxy_url"]) as other:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await other.upload("late.gcode")
        assert (await other.get("/api/files/local/late.gcode"))[0] == 404
        async with asyncio.timeout(5):
            while (await other.get("/api/files/local/late.gcode"))[0] != 200:
                await asyncio.sleep(0.05)


async def test_half_an_upload_is_never_delivered(farm: Seat, name: str) -> None:
    printer = farm.printers[0]
    host, port = printer["proxy_url"].removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        f"POST /api/files/local HTTP/1.1\r\nHost: x\r\nX-Api-Key: {printer['api_key']}\r\n"
        "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 5000\r\n\r\n"
        '--b\r\nContent-Disposition: form-data; name="file"; filename="half.gcode"\r\n\r\nG28'
        "".encode()
    )
    await writer.drain()
    await asyncio.sleep(0.2)
    writer.close()
    await asyncio.sleep(0.2)
    assert (await farm.admin.printer(name))["files"] == []


async def test_a_lost_request_never_arrives(farm: Seat, name: str, octo: Client) -> None:
    await farm.admin.proxy_rule(name, "request", "lose", command="print")
    await gives_up(octo, START, PRINT, 0.5)
    assert await commands(farm, name, "print") == []
    assert await octo.start("part.gcode") == 204


@pytest.mark.parametrize(
    ("play", "error"),
    [
        ("drop", aiohttp.ClientError),
        ("never", TimeoutError),
        ("truncate", aiohttp.ClientError),
    ],
)
async def test_an_answer_can_be_spoilt_after_the_host_has_obeyed(
    farm: Seat, name: str, octo: Client, play: str, error: type[Exception]
) -> None:
    await farm.admin.proxy_rule(name, "answer", play, path="/api/login")
    with pytest.raises(error):
        await octo.post("/api/login", {"passive": True}, timeout=aiohttp.ClientTimeout(0.5))
    logins = await farm.admin.log(name, "command")
    assert [entry["path"] for entry in logins].count("/api/login") == 2


async def test_an_answer_can_be_delayed(farm: Seat, name: str, octo: Client) -> None:
    await farm.admin.proxy_rule(name, "answer", "delay", params={"seconds": 30})
    began = time.monotonic()
    assert (await octo.get("/api/version"))[0] == 200
    assert time.monotonic() - began > 0.4


async def test_a_replayed_start_arrives_twice(farm: Seat, name: str, octo: Client) -> None:
    await farm.admin.proxy_rule(name, "request", "replay", command="print", params={"seconds": 3})
    assert await octo.start("part.gcode") == 204
    await octo.until_event("PrintDone")
    assert await commands(farm, name, "print") == [204, 409]
    assert await starts(farm, name) == 1


async def test_a_late_replay_prints_again(farm: Seat, name: str, octo: Client) -> None:
    await farm.admin.proxy_rule(name, "request", "replay", command="print", params={"seconds": 60})
    assert await octo.start("part.gcode") == 204
    await octo.until(lambda: len(octo.events("PrintDone")) == 2)
    assert await outcomes(farm, name) == ["completed", "completed"]
    assert len(await farm.admin.log(name, "collision")) == 1


async def test_concurrent_uploads_can_be_mixed(farm: Seat) -> None:
    for printer in farm.printers:
        await farm.admin.proxy_rule(
            printer["name"], "request", "mix", path="/api/files/local", params={"seconds": 120}
        )
    contents = [PART, PART.replace(b"X100", b"X055")]
    one, two = farm.printers
    async with client(one, url=one["proxy_url"]) as a, client(two, url=two["proxy_url"]) as b:
        answers = await asyncio.gather(
            a.upload("a.gcode", contents[0]), b.upload("b.gcode", contents[1])
        )
        assert [status for status, _ in answers] == [201, 201]
        stored = [
            (await a.get("/downloads/files/local/a.gcode"))[1],
            (await b.get("/downloads/files/local/b.gcode"))[1],
        ]
    assert stored == [contents[1], contents[0]]


async def test_a_lonely_upload_is_not_mixed(farm: Seat, octo: Client, name: str) -> None:
    await farm.admin.proxy_rule(name, "request", "mix", path="/api/files/local")
    assert (await octo.upload("alone.gcode"))[0] == 201
    assert (await octo.get("/downloads/files/local/alone.gcode"))[1] == PART


async def test_sockets_can_be_held_and_cut(farm: Seat, name: str, octo: Client) -> None:
    await farm.admin.proxy_do(name, "hold-sockets", seconds=40)
    assert await octo.start("part.gcode") == 204
    await asyncio.sleep(0.3)
    assert (await starts(farm, name), octo.events("PrintStarted")) == (1, [])
    await octo.until_event("PrintStarted")
    assert not octo.gap
    await farm.admin.proxy_do(name, "cut-sockets")
    await octo.until(lambda: octo.gap)
    assert (await octo.get("/api/version"))[0] == 200


async def test_a_request_can_restart_the_host(farm: Seat, name: str, octo: Client) -> None:
    await farm.admin.proxy_rule(name, "request", "kill-host", command="print")
    with pytest.raises(aiohttp.ClientError):
        await octo.start("part.gcode")
    await octo.until(lambda: octo.gap)
    printer = farm.printers[0]
    async with client(printer, url=printer["proxy_url"]) as again, asyncio.timeout(5):
        while True:
            try:
                if await again.state() == "Operational":
                    break
            except aiohttp.ClientError:
                await asyncio.sleep(0.05)
    assert await starts(farm, name) == 0


async def test_a_frozen_host_makes_its_clients_wait_instead_of_filling_the_proxy(
    farm: Seat, name: str, octo: Client
) -> None:
    await farm.admin.do(name, "freeze")
    size, sent = 60 << 20, 0
    printer = farm.printers[0]
    host, port = printer["proxy_url"].removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="big.gcode"\r\n\r\n'
    tail = b"\r\n--b--"
    writer.write(
        f"POST /api/files/local HTTP/1.1\r\nHost: x\r\nX-Api-Key: {printer['api_key']}\r\n"
        "Content-Type: multipart/form-data; boundary=b\r\n"
        f"Content-Length: {len(head) + size + len(tail)}\r\n\r\n".encode()
        + head
    )
    line = b"G1 X1 Y1 F3000 ; padding padding padding padding padding padding\n"
    piece = (line * 16384)[: 1 << 20]
    with suppress(TimeoutError):
        async with asyncio.timeout(2.0):
            while sent < size:
                writer.write(piece)
                sent += len(piece)
                await writer.drain()
    assert sent < size // 2, "the kernel's buffers hold some of it, the proxy next to nothing"
    await farm.admin.do(name, "thaw")
    while sent < size:
        writer.write(piece)
        sent += len(piece)
        await writer.drain()
    writer.write(tail)
    assert b" 201 " in await asyncio.wait_for(reader.readline(), 60)
    writer.close()
    assert (await octo.get("/api/files/local/big.gcode"))[1]["size"] == size


async def test_a_dead_host_resets_the_clients_connection(
    farm: Seat, name: str, octo: Client
) -> None:
    await farm.admin.do(name, "kill")
    await octo.until(lambda: octo.gap)
    with pytest.raises(aiohttp.ClientError):
        await octo.get("/api/version")


async def test_a_proxy_process_of_its_own_stands_before_any_host(
    farm: Seat, tmp_path: Path
) -> None:
    upstream = farm.printers[0]["url"].removeprefix("http://")
    proxy = await Simulator.start(
        [
            "proxy",
            f"--upstream={upstream}",
            f"--state-dir={tmp_path / 'proxy'}",
            "--proxy-base-address=127.0.2.10",
        ]
    )
    try:
        async with client(farm.printers[0], url=proxy.printers[0]["proxy_url"]) as octo:
            assert (await octo.get("/api/version"))[1]["server"] == "1.11.8"
            await proxy.admin.proxy_rule("proxy-001", "answer", "drop", times=2)
            with pytest.raises(aiohttp.ClientError):
                await octo.get("/api/version")
            for play in ("restart-host", "kill-host"):
                with pytest.raises(RefusedControlError, match=r"octoprints --proxy"):
                    await proxy.admin.proxy_rule("proxy-001", "request", play)
                with pytest.raises(RefusedControlError, match=r"cannot reach the host"):
                    await proxy.admin.proxy_rates("*", {f"request.{play}": 0.5})
    finally:
        await proxy.stop()
