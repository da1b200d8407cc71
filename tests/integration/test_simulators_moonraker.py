"""What only simulated Moonrakers play: their door, their faults, and what people do to them."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from buildplate_sim.errors import RefusedControlError
from buildplate_sim.launch import Simulator, moonrakers
from tests.gcode_samples import png, square_tower, thumbnail_block
from tests.integration.moonraker_side import RpcError, gcode
from tests.integration.moonraker_simulated import SimulatedMoonraker

pytestmark = pytest.mark.asyncio(loop_scope="module")
FACTOR = 20.0
NEXT = iter(range(1000))

Fresh = Callable[[], SimulatedMoonraker]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def fleet(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[tuple[Simulator, Path]]:
    folder: Path = tmp_path_factory.mktemp("m")
    more = ["--tick=0.1"]
    async with moonrakers(folder, count=22, time_factor=FACTOR, proxy=True, more=more) as simulator:
        yield simulator, folder


@pytest.fixture
def host(fleet: tuple[Simulator, Path]) -> SimulatedMoonraker:
    """A host that no test has used yet."""
    return SimulatedMoonraker(*fleet, next(NEXT))


async def _started(host: SimulatedMoonraker, name: str, seconds: float) -> None:
    assert (await host.put(name, gcode(seconds, name)))[0] == 201
    assert await host.trusted_call("printer.print.start", filename=name) == "ok"


def _contains(name: str, found: list[str]) -> bool:
    return name in found


def _begins_with(name: str, rows: list[dict[str, Any]]) -> bool:
    return bool(rows) and bool(rows[0]["filename"] == name)


def _counts(times: int, found: list[str]) -> bool:
    return len(found) == times


# --- the door -----------------------------------------------------------------------------------


async def test_a_key_a_token_or_an_identification_lets_in_and_nothing_else_does(
    host: SimulatedMoonraker,
) -> None:
    key, who = host.api_key, {"client_name": "t", "version": "1", "type": "other", "url": "u"}
    token = (await host.api("GET", "/access/oneshot_token"))[1]["result"]
    host.api_key = "wrong"
    status, answer = await host.api("GET", "/server/info")
    assert (status, answer["error"]["message"]) == (401, "Unauthorized")
    async with host.client(headers={}) as nobody:
        with pytest.raises(RpcError, match="Unauthorized") as caught:
            await nobody.call("server.info")
        assert caught.value.code == -32602
        with pytest.raises(RpcError, match="Invalid API Key"):
            await nobody.call("server.connection.identify", api_key="wrong", **who)
        assert await nobody.call("server.connection.identify", api_key=key, **who)
        assert (await nobody.call("server.info"))["klippy_state"] == "ready"
        with pytest.raises(RpcError, match="already identified"):
            await nobody.call("server.connection.identify", **who)
    for let_in in (True, False):
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"{host.websocket}?token={token}") as socket,
        ):
            await socket.send_str('{"jsonrpc": "2.0", "method": "server.info", "id": 1}')
            assert ("result" in json.loads((await socket.receive()).data)) is let_in


async def test_calls_are_refused_as_json_rpc_has_it(host: SimulatedMoonraker) -> None:
    async with (
        aiohttp.ClientSession(headers={"X-Api-Key": host.api_key}) as session,
        session.ws_connect(host.websocket) as socket,
    ):

        async def say(text: str) -> Any:
            await socket.send_str(text)
            while True:
                said = json.loads((await socket.receive()).data)
                if isinstance(said, list) or "method" not in said:
                    return said

        assert (await say("{bad"))["error"]["code"] == -32700
        assert (await say('{"jsonrpc": "1.0", "method": "x", "id": 1}'))["error"]["code"] == -32600
        call = {"jsonrpc": "2.0", "id": 7}
        assert (await say(json.dumps({**call, "method": "no.such"})))["error"]["code"] == -32601
        listed = {**call, "method": "server.info", "params": [1]}
        assert (await say(json.dumps(listed)))["error"]["code"] == -32602
        start = {**call, "method": "printer.print.start"}
        assert (await say(json.dumps(start)))["error"] == {
            "code": 400,
            "message": "No data for argument: filename",
        }
        batch = [{**call, "method": "server.info"}, {**call, "method": "printer.info", "id": 8}]
        assert [answer["id"] for answer in await say(json.dumps(batch))] == [7, 8]


async def test_http_hides_what_it_says_of_uploads_and_files_in_the_traceback(
    host: SimulatedMoonraker,
) -> None:
    status, answer = await host.put("sum.gcode", b"G28\n", checksum="00")
    assert (status, answer["error"]["message"]) == (422, "Unprocessable Entity")
    assert "checksum mismatch" in answer["error"]["traceback"]
    digest = hashlib.sha256(b"G28\n").hexdigest()
    status, answer = await host.put("sum.gcode", b"G28\n", checksum=digest)
    assert (status, answer["action"]) == (201, "create_file")
    assert (await host.api("GET", "/server/files/gcodes/sum.gcode"))[1] == b"G28\n"
    assert (await host.api("GET", "/server/files/gcodes/none.gcode"))[0] == 404
    assert await host.delete("none.gcode") == 400
    assert await host.delete("sum.gcode") == 200
    await host.do("halt")
    status, answer = await host.api("POST", "/printer/print/start?filename=sum.gcode")
    assert (status, answer["error"]["message"]) == (400, "Unknown")


async def test_a_key_that_is_revoked_closes_the_door_and_leaves_open_sockets_be(
    host: SimulatedMoonraker,
) -> None:
    async with host.client() as client:
        await host.do("revoke-key")
        assert (await host.api("GET", "/server/info"))[0] == 401
        assert (await client.call("server.info"))["klippy_state"] == "ready"
        await host.do("restore-key")
    assert (await host.api("GET", "/server/info"))[0] == 200


# --- what goes wrong ----------------------------------------------------------------------------


async def test_two_uploads_of_one_second_share_a_file_and_mix(host: SimulatedMoonraker) -> None:
    async def body(letter: bytes) -> AsyncIterator[bytes]:
        for _ in range(40):
            yield letter * 8192
            await asyncio.sleep(0.005)

    async def upload(letter: bytes) -> int:
        with aiohttp.MultipartWriter("form-data") as form:
            part = form.append(body(letter))
            name = f"{letter.decode()}.gcode"
            part.set_content_disposition("form-data", name="file", filename=name)
            async with (
                aiohttp.ClientSession(headers={"X-Api-Key": host.api_key}) as session,
                session.post(f"{host.url}/server/files/upload", data=form) as answer,
            ):
                return answer.status

    for _ in range(5):
        statuses = await asyncio.gather(upload(b"a"), upload(b"b"))
        stored = {path.stem.encode(): path.read_bytes() for path in host.gcodes.iterdir()}
        if 201 in statuses and any(set(content) != set(own) for own, content in stored.items()):
            return
    pytest.fail("no two of five pairs of uploads met in one second and were mixed")


@pytest.mark.parametrize(
    ("at", "play", "begins", "answered"),
    [
        ("request", "lose", False, False),
        ("request", "reset", False, False),
        ("answer", "never", True, False),
        ("answer", "cut", True, False),
        ("request", "hold", True, True),
        ("answer", "slow", True, True),
    ],
)
async def test_a_start_and_its_answer_are_lost_or_late_one_by_one(
    host: SimulatedMoonraker, at: str, play: str, begins: bool, answered: bool
) -> None:
    await host.put("x.gcode", gcode(1.0, "x"))
    params = {"seconds": FACTOR}
    await host.machine.rule(host.printer, at, play, path="printer.print.start", params=params)
    async with host.client() as client:
        start = await client.send("printer.print.start", filename="x.gcode")
        if begins:
            await host.until(host.completions, lambda found: found == ["x.gcode"])
        else:
            await asyncio.sleep(0.3)
            assert await host.starts() == []
        if answered:
            assert await asyncio.wait_for(start, 5) == "ok"
        assert start.done() is answered
    told = [entry.get("fault") for entry in await host.record(at.replace("request", "command"))]
    assert play in told


async def test_a_start_that_is_late_runs_and_its_turn_is_before_the_barriers(
    host: SimulatedMoonraker,
) -> None:
    await host.put("late.gcode", gcode(1.0, "late"))
    params = {"seconds": FACTOR}
    await host.machine.rule(host.printer, "start", "late", params=params)
    async with host.client() as client:
        start = await client.send("printer.print.start", filename="late.gcode")
        barrier = await client.send("printer.gcode.script", script="M115")
        await asyncio.sleep(0.3)
        assert not start.done()
        assert not barrier.done()
        assert await asyncio.wait_for(barrier, 10) == "ok"
        assert await start == "ok"
        assert await host.starts() == ["late.gcode"]


async def test_a_frozen_moonraker_carries_out_what_has_arrived_when_it_wakes(
    host: SimulatedMoonraker,
) -> None:
    await host.put("woken.gcode", gcode(1.0, "woken"))
    async with host.client() as client:
        await client.subscribe("print_stats")
        await host.do("freeze")
        await client.send("printer.print.start", filename="woken.gcode")
        await asyncio.sleep(0.3)
        assert await host.starts() == []
    await host.do("thaw")
    await host.until(host.completions, lambda found: found == ["woken.gcode"])


async def test_rows_of_the_history_can_be_missing_nameless_or_of_another_end(
    host: SimulatedMoonraker,
) -> None:
    await host.machine.rule(host.printer, "history", "lose", path="lost.gcode")
    await host.machine.rule(host.printer, "history", "nameless", path="nameless.gcode")
    for name in ("lost.gcode", "nameless.gcode", "exited.gcode"):
        await _started(host, name, 20.0)
        await host.print_is("printing")
        if name == "exited.gcode":
            await host.until(host.history, partial(_begins_with, name))
            await host.do("restart", down_s=FACTOR / 2)
        else:
            await host.until(host.completions, partial(_contains, name))
            await asyncio.sleep(0.5)  # Moonraker hears of an end at its next look only
    await host.until(host.completions, lambda found: "exited.gcode" in found)
    await asyncio.sleep(0.6)
    rows = [(row["filename"], row["status"]) for row in await host.history()]
    assert rows == [("exited.gcode", "server_exit"), ("", "completed")]


async def test_a_power_cut_ends_the_print_and_leaves_its_row_interrupted(
    host: SimulatedMoonraker,
) -> None:
    await host.machine.rule(
        host.printer, "print", "power-cut", params={"fraction": 0.2, "down_s": FACTOR / 2}
    )
    await _started(host, "cut.gcode", 60.0)
    await host.until(lambda: host.record("end"), bool)
    await asyncio.sleep(0.7)
    await host.klippy_is("ready")
    assert [end["outcome"] for end in await host.record("end")] == ["stopped"]
    assert [row["status"] for row in await host.history()] == ["interrupted"]
    assert await host.print_state() == "standby"


async def test_a_silent_and_a_deaf_host_are_told_from_one_that_is_cut(
    host: SimulatedMoonraker,
) -> None:
    async with host.client() as client:
        await client.subscribe("extruder")
        await host.do("hush")
        await asyncio.sleep(0.2)
        client.heard.clear()
        await asyncio.sleep(0.4)
        assert client.heard == []
        await host.do("unhush")
        await client.hears("notify_status_update", 5)
        await host.do("deafen")
        with pytest.raises(aiohttp.ClientError):
            await host.api("GET", "/server/info")
        await host.do("listen")
        assert (await host.api("GET", "/server/info"))[0] == 200


async def test_a_part_on_the_bed_is_a_collision_for_the_next_start(
    host: SimulatedMoonraker,
) -> None:
    await host.put("part.gcode", gcode(1.0, "part"))
    for times in (1, 2):
        await host.trusted_call("printer.print.start", filename="part.gcode")
        await host.until(host.completions, partial(_counts, times))
    assert [entry["bed"] for entry in await host.record("collision")] == [["run-1"]]
    digest = hashlib.sha256(gcode(1.0, "part")).hexdigest()
    counts = await host.machine.completions()
    assert counts["completed"][digest] == 2
    assert counts["collisions"][host.printer] == 1


async def test_the_outlet_is_switched_but_not_while_it_prints(host: SimulatedMoonraker) -> None:
    async def switch(action: str) -> Any:
        params = {"device": "outlet", "action": action}
        return await host.trusted_call("machine.device_power.post_device", **params)

    assert await switch("off") == {"outlet": "off"}
    await host.klippy_is("shutdown")
    assert (await host.machine.printer(host.printer))["power"] == {"outlet": False, "light": True}
    status = {"device": "outlet"}
    assert await host.trusted_call("machine.device_power.get_device", **status) == {"outlet": "off"}
    await host.trusted_call("printer.firmware_restart")
    await host.klippy_is("error")
    assert await switch("on") == {"outlet": "on"}
    await host.settled()
    await _started(host, "power.gcode", 200.0)
    await host.print_is("printing")
    await asyncio.sleep(0.2)
    with pytest.raises(RpcError, match="while printing"):
        await switch("off")
    with pytest.raises(RpcError, match="No valid device named lamp"):
        await host.trusted_call("machine.device_power.post_device", device="lamp", action="on")


async def test_the_slicer_s_figures_and_its_picture_are_read_as_the_real_one_does(
    host: SimulatedMoonraker,
) -> None:
    picture = png(48, 32)
    begin, _, rest = square_tower(layers=40).partition(b"\n")
    content = begin + b"\n" + thumbnail_block(picture, 48, 32) + rest
    assert (await host.put("sliced.gcode", content, path="shelf"))[0] == 201
    said = await host.trusted_call("server.files.metadata", filename="shelf/sliced.gcode")
    assert (said["slicer"], said["slicer_version"]) == ("PrusaSlicer", "2.7.4")
    assert (said["estimated_time"], said["filament_total"], said["layer_height"]) == (
        107,
        105.6,
        0.2,
    )
    (one,) = said["thumbnails"]
    assert (one["width"], one["height"], one["size"]) == (48, 32, len(picture))
    where = f"/server/files/gcodes/shelf/{one['relative_path']}"
    assert await host.api("GET", where) == (200, picture)
    listed = await host.trusted_call("server.files.list")
    assert [file["path"] for file in listed if "thumbs" in file["path"]] == []


async def test_the_proxy_stands_before_a_moonraker_as_before_any_host(
    fleet: tuple[Simulator, Path], host: SimulatedMoonraker
) -> None:
    simulator, _ = fleet
    entry = next(one for one in simulator.printers if one["name"] == host.printer)
    address = entry["proxy_url"].replace("http", "ws", 1) + "/websocket"
    async with (
        aiohttp.ClientSession(headers={"X-Api-Key": host.api_key}) as session,
        session.ws_connect(address) as socket,
    ):
        await socket.send_str('{"jsonrpc": "2.0", "method": "server.info", "id": 1}')
        assert json.loads((await socket.receive()).data)["result"]["klippy_state"] == "ready"


async def test_what_cannot_be_played_is_refused_with_what_can(host: SimulatedMoonraker) -> None:
    with pytest.raises(RefusedControlError, match="klippy-kill"):
        await host.do("explode")
    with pytest.raises(RefusedControlError, match=r"history\.nameless"):
        await host.machine.rule(host.printer, "history", "invent")
