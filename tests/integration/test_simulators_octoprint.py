"""The simulated OctoPrint answers as the real one was observed to."""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import TYPE_CHECKING

import pytest

from buildplate_sim.errors import NotReadyError
from buildplate_sim.launch import Simulator, octoprints
from tests.integration.simulator_client import PART, client, listening

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

FLAGS = {
    "cancelling",
    "closedOrError",
    "error",
    "finishing",
    "operational",
    "paused",
    "pausing",
    "printing",
    "ready",
    "resuming",
    "sdReady",
}
PROGRESS = {"completion", "filepos", "printTime", "printTimeLeft", "printTimeLeftOrigin"}


@pytest.fixture
async def farm(tmp_path: Path) -> AsyncIterator[Simulator]:
    async with octoprints(tmp_path, time_factor=60) as simulator:
        yield simulator


async def test_a_request_without_a_valid_key_is_forbidden_and_never_unauthorised(
    farm: Simulator,
) -> None:
    async with client(farm.printers[0]) as octo:
        for headers in ({"X-Api-Key": ""}, {"X-Api-Key": "wrong"}):
            status, body = await octo.get("/api/version", headers=headers)
            assert (status, set(body)) == (403, {"error"})
        bearer = {"X-Api-Key": "", "Authorization": f"Bearer {farm.printers[0]['api_key']}"}
        assert (await octo.get("/api/version", headers=bearer))[1]["server"] == "1.11.8"
        anonymous = await octo.get("/api/currentuser", headers={"X-Api-Key": ""})
        assert anonymous == (200, {"groups": ["guests"], "name": None, "permissions": []})


async def test_readings_have_the_keys_of_the_real_ones(farm: Simulator) -> None:
    async with client(farm.printers[0]) as octo:
        _, printer = await octo.get("/api/printer")
        assert set(printer) == {"sd", "state", "temperature"}
        assert set(printer["state"]["flags"]) == FLAGS
        assert set(printer["temperature"]["tool0"]) == {"actual", "offset", "target"}
        _, job = await octo.get("/api/job")
        assert set(job) == {"job", "progress", "state"}
        assert set(job["progress"]) == PROGRESS
        _, connection = await octo.get("/api/connection")
        assert set(connection) == {"current", "options"}
        assert connection["current"]["state"] == "Operational"
        assert set((await octo.get("/api/printer?exclude=temperature,sd"))[1]) == {"state"}


async def test_wrong_requests_get_the_status_of_the_real_ones(farm: Simulator) -> None:
    async with client(farm.printers[0]) as octo:
        assert (await octo.post("/api/connection", {"command": "bogus"}))[0] == 400
        assert (await octo.post("/api/connection", {"command": "connect", "port": "/x"}))[0] == 400
        text = {"Content-Type": "text/plain"}
        assert (await octo.call("POST", "/api/connection", data=b"x", headers=text))[0] == 415
        broken = {"Content-Type": "application/json"}
        assert (await octo.call("POST", "/api/job", data=b"{x", headers=broken))[0] == 400
        assert (await octo.post("/api/job", {"command": "start"}))[0] == 204
        for command in ("pause", "cancel", "restart"):
            assert (await octo.post("/api/job", {"command": command}))[0] == 409
        assert await octo.start("none.gcode") == 404
        assert await octo.delete("none.gcode") == 404
        assert (await octo.upload("model.txt"))[0] == 415
        assert (await octo.upload("../up.gcode"))[0] == 400
        assert (await octo.post("/api/files/local", {"foo": "bar"}))[0] == 400


async def test_nothing_can_be_commanded_while_the_printer_is_not_connected(tmp_path: Path) -> None:
    async with (
        octoprints(tmp_path, more=["--no-connect"]) as farm,
        client(farm.printers[0]) as octo,
    ):
        assert await octo.get("/api/printer") == (409, {"error": "Printer is not operational"})
        assert (await octo.get("/api/job"))[1]["state"] == "Offline"
        await octo.upload("part.gcode")
        assert await octo.start("part.gcode") == 409
        assert (await octo.post("/api/connection", {"command": "connect"}))[0] == 204
        await octo.until_state("Operational")
        assert await octo.start("part.gcode") == 204


async def test_an_upload_is_stored_as_sent_under_a_sanitised_name(farm: Simulator) -> None:
    async with client(farm.printers[0]) as octo:
        status, body = await octo.upload("we ird ünï#?.gcode")
        local = body["files"]["local"]
        assert (status, local["path"]) == (201, "we ird ünï#.gcode")
        assert body["effectivePrint"] is False
        place = "/api/files/local/we%20ird%20%C3%BCn%C3%AF%23.gcode"
        assert local["refs"]["resource"].endswith(place)
        _, entry = await octo.get(local["refs"]["resource"])
        sha1 = hashlib.sha1(PART, usedforsecurity=False).hexdigest()
        assert (entry["size"], entry["hash"], "prints" in entry) == (len(PART), sha1, False)
        assert (await octo.get(local["refs"]["download"]))[1] == PART
        _, tail = await octo.get(local["refs"]["download"], headers={"Range": "bytes=-5"})
        assert tail == PART[-5:]


async def test_uploads_of_many_megabytes_arrive_whole(farm: Simulator) -> None:
    content = b"G1 X1 Y1 F3000 ; padding padding padding\n" * 500_000
    async with client(farm.printers[0]) as octo:
        assert (await octo.upload("big.gcode", content))[0] == 201
        _, back = await octo.get("/downloads/files/local/big.gcode")
        assert hashlib.sha256(back).digest() == hashlib.sha256(content).digest()


async def test_a_print_speaks_in_the_order_of_the_real_one(farm: Simulator) -> None:
    async with listening(farm.printers[0]) as octo:
        await octo.upload("part.gcode")
        assert await octo.start("part.gcode") == 204
        await octo.until_event("PrintStarted")
        await octo.until_state("Printing")
        assert await octo.start("part.gcode") == 409
        assert await octo.delete("part.gcode") == 409
        done = await octo.until_event("PrintDone")
        await octo.until_state("Operational")
        _, entry = await octo.get("/api/files/local/part.gcode")
        _, job = await octo.get("/api/job")
    told = [
        event["payload"].get("state_id", event["type"])
        for event in octo.events()
        if event["type"] in {"PrintStarted", "PrintDone", "FileSelected", "PrinterStateChanged"}
    ]
    assert told == [
        "FileSelected",
        "STARTING",
        "PrintStarted",
        "PRINTING",
        "FINISHING",
        "PrintDone",
        "OPERATIONAL",
    ]
    assert done["time"] == pytest.approx(42.2, abs=0.1)
    assert (entry["prints"]["success"], entry["prints"]["failure"]) == (1, 0)
    assert entry["prints"]["last"]["printTime"] == done["time"]
    assert job["progress"]["completion"] == 100.0


async def test_a_push_socket_is_silent_until_it_is_authorised(farm: Simulator) -> None:
    async with client(farm.printers[0]) as octo:
        socket = await octo.http.ws_connect("/sockjs/websocket")
        assert "connected" in json.loads((await socket.receive(timeout=5)).data)
        with pytest.raises(TimeoutError):
            await socket.receive(timeout=1.2)
        await socket.send_json({"auth": "somebody:else"})
        refused = json.loads((await socket.receive(timeout=5)).data)
        assert refused == {"reauthRequired": {"reason": "stale"}}
        await socket.close()


async def test_pause_resume_and_cancel_are_seen_and_a_cancel_counts_as_a_failure(
    farm: Simulator,
) -> None:
    async with listening(farm.printers[0]) as octo:
        await octo.upload("part.gcode")
        await octo.start("part.gcode")
        await octo.until_state("Printing")
        await octo.post("/api/job", {"command": "pause", "action": "pause"})
        await octo.until_state("Paused")
        _, before = await octo.get("/api/job")
        await asyncio.sleep(0.2)
        _, after = await octo.get("/api/job")
        assert before["progress"] == after["progress"]
        await octo.post("/api/job", {"command": "pause", "action": "resume"})
        await octo.until_state("Printing")
        await octo.post("/api/job", {"command": "cancel"})
        failed = await octo.until_event("PrintFailed")
        await octo.until_state("Operational")
        _, entry = await octo.get("/api/files/local/part.gcode")
        _, job = await octo.get("/api/job")
    assert failed["reason"] == "cancelled"
    assert octo.kinds().index("PrintCancelled") < octo.kinds().index("PrintFailed")
    assert (entry["prints"]["success"], entry["prints"]["failure"]) == (0, 1)
    assert (job["progress"]["completion"], job["job"]["file"]["path"]) == (None, "part.gcode")
    assert (await farm.admin.log(farm.printers[0]["name"], "end"))[0]["outcome"] == "cancelled"


async def test_heating_takes_its_time_and_stops_after_the_print(tmp_path: Path) -> None:
    async with octoprints(tmp_path, time_factor=20) as farm, client(farm.printers[0]) as octo:
        await octo.upload("hot.gcode", b"M109 S220\nG4 S1\n")
        await octo.start("hot.gcode")
        await octo.until_state("Printing")
        await asyncio.sleep(0.3)
        _, early = await octo.get("/api/printer")
        assert 60 < early["temperature"]["tool0"]["actual"] < 215
        assert early["temperature"]["tool0"]["target"] == 220
        await octo.until_state("Operational")
        _, entry = await octo.get("/api/files/local/hot.gcode")
        assert entry["prints"]["last"]["printTime"] == pytest.approx(20.9, abs=0.5)


async def test_the_record_names_the_content_that_was_printed_and_what_lay_on_the_bed(
    farm: Simulator,
) -> None:
    name = farm.printers[0]["name"]
    async with client(farm.printers[0]) as octo:
        await octo.upload("part.gcode")
        for _ in range(2):
            await octo.start("part.gcode")
            await octo.until_state("Printing")
            await octo.until_state("Operational")
        await farm.admin.do(name, "clear-bed")
        await octo.start("part.gcode")
        await octo.until_state("Printing")
    sha256 = hashlib.sha256(PART).hexdigest()
    assert [e["sha256"] for e in await farm.admin.log(name, "start")] == [sha256] * 3
    assert len(await farm.admin.log(name, "collision")) == 1
    counts = await farm.admin.completions()
    assert (counts["completed"], counts["started"]) == ({sha256: 2}, {sha256: 3})
    assert counts["collisions"] == {name: 1}


async def test_the_record_and_the_history_outlive_a_kill_of_the_whole_farm(tmp_path: Path) -> None:
    farm = await Simulator.start(["octoprints", f"--state-dir={tmp_path}", "--time-factor=60"])
    name = farm.printers[0]["name"]
    async with client(farm.printers[0]) as octo:
        await octo.upload("part.gcode")
        await octo.start("part.gcode")
        await octo.until_state("Printing")
        await octo.until_state("Operational")
        await farm.admin.do(name, "clear-bed")
        await octo.start("part.gcode")
        await octo.until_state("Printing")
    await farm.kill()
    written = (tmp_path / name / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["event"] for line in written].count("start") == 2
    async with octoprints(tmp_path) as again, client(again.printers[0]) as octo:
        assert again.printers[0]["url"] == farm.printers[0]["url"]
        truth = await again.admin.printer(name)
        assert (truth["runs"], truth["completed"], truth["bed"]) == (2, 1, ["run-2"])
        outcomes = [entry["outcome"] for entry in await again.admin.log(name, "end")]
        assert outcomes == ["completed", "power lost"]
        _, entry = await octo.get("/api/files/local/part.gcode")
        assert (entry["prints"]["success"], entry["prints"]["failure"]) == (1, 0)
        _, log = await octo.get("/downloads/logs/octoprint.log")
        assert log.decode().count("Print job started - origin: local, path: part.gcode") == 2


async def test_a_start_is_on_the_record_before_anybody_hears_of_it(farm: Simulator) -> None:
    name = farm.printers[0]["name"]
    async with listening(farm.printers[0]) as octo:
        await octo.upload("part.gcode")
        await octo.start("part.gcode")
        await octo.until_event("PrintStarted")
        assert len(await farm.admin.log(name, "start")) == 1
        await octo.until_event("PrintDone")
        assert (await farm.admin.log(name, "end"))[0]["outcome"] == "completed"


async def test_a_simulator_ends_with_whoever_started_it_and_at_a_word(tmp_path: Path) -> None:
    abandoned = await Simulator.start(["octoprints", f"--state-dir={tmp_path}"])
    assert abandoned.process.stdin is not None
    abandoned.process.stdin.close()
    assert await asyncio.wait_for(abandoned.process.wait(), 10) == 0
    await abandoned.stop()
    told = await Simulator.start(["virtual", f"--state-dir={tmp_path / 'virtual'}"])
    await told.stop()
    assert told.process.returncode == 0


async def test_a_simulator_that_cannot_listen_is_not_ready(farm: Simulator, tmp_path: Path) -> None:
    host, port = farm.printers[0]["url"].removeprefix("http://").split(":")
    taken = [f"--base-address={host}", f"--port={port}"]
    with pytest.raises(NotReadyError):
        await Simulator.start(["octoprints", f"--state-dir={tmp_path / 'other'}", *taken])
