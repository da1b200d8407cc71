"""Every race and lie that was observed on real OctoPrints can be played by the simulated ones."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
import pytest_asyncio

from buildplate_sim.errors import RefusedControlError
from buildplate_sim.launch import octoprints
from tests.integration.simulator_client import PART, Client, Hall, Seat, client, listening

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.asyncio(loop_scope="module")

OTHER = PART + b"G4 S1\n"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hall(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Hall]:
    folder = tmp_path_factory.mktemp("races")
    async with octoprints(folder, count=60, time_factor=60, seed=7) as simulator:
        yield Hall(simulator)


@pytest.fixture
def farm(hall: Hall) -> Seat:
    return hall.seat()


@pytest.fixture
def name(farm: Seat) -> str:
    return str(farm.printers[0]["name"])


@pytest_asyncio.fixture(loop_scope="module")
async def octo(farm: Seat) -> AsyncIterator[Client]:
    async with listening(farm.printers[0]) as listener:
        await listener.upload("part.gcode")
        await listener.upload("other.gcode", OTHER)
        yield listener


async def truth(farm: Seat) -> dict[str, Any]:
    return await farm.admin.printer(farm.printers[0]["name"])


async def started(farm: Seat, name: str) -> list[str]:
    return [entry["path"] for entry in await farm.admin.log(name, "start")]


async def completed(farm: Seat, name: str) -> list[str]:
    ends = await farm.admin.log(name, "end")
    return [end["path"] for end in ends if end["outcome"] == "completed"]


async def until_runs(farm: Seat, count: int) -> None:
    async with asyncio.timeout(10):
        while (await truth(farm))["runs"] < count:
            await asyncio.sleep(0.02)


async def prints(octo: Client, path: str) -> dict[str, Any]:
    return dict((await octo.get(f"/api/files/local/{path}"))[1].get("prints", {}))


def told_of_prints(octo: Client) -> list[tuple[str, str]]:
    """Every start and end that was told, with its file."""
    kinds = {"PrintStarted", "PrintDone", "PrintFailed", "PrintCancelled"}
    return [(e["type"], e["payload"]["path"]) for e in octo.events() if e["type"] in kinds]


# --- hosts that stall


async def test_a_frozen_host_carries_out_what_arrived_after_its_client_has_left(
    farm: Seat, name: str, octo: Client
) -> None:
    await farm.admin.do(name, "freeze")
    body = {"command": "select", "print": True}
    with pytest.raises(TimeoutError):
        await octo.post("/api/files/local/part.gcode", body, timeout=aiohttp.ClientTimeout(0.3))
    await asyncio.sleep(0.3)
    assert await started(farm, name) == []
    await farm.admin.do(name, "thaw")
    await octo.until_event("PrintStarted")
    await octo.until_event("PrintDone")
    assert await completed(farm, name) == ["part.gcode"]


async def test_a_frozen_host_answers_no_new_client_either(
    farm: Seat, name: str, octo: Client
) -> None:
    await farm.admin.do(name, "freeze")
    async with client(farm.printers[0]) as new, asyncio.TaskGroup() as tasks:
        request = tasks.create_task(new.start("part.gcode"))
        done, _ = await asyncio.wait([request], timeout=0.4)
        assert not done
        log = await farm.admin.log(name, "command")
        assert "print" not in [entry["command"] for entry in log]
        await farm.admin.do(name, "thaw")
    assert request.result() == 204
    await octo.until_event("PrintStarted")


async def test_half_a_request_never_starts_anything(farm: Seat, name: str) -> None:
    host, port = farm.printers[0]["url"].removeprefix("http://").split(":")
    async with client(farm.printers[0]) as octo:
        await octo.upload("part.gcode")
    _, writer = await asyncio.open_connection(host, int(port))
    key = farm.printers[0]["api_key"]
    head = f"POST /api/files/local/part.gcode HTTP/1.1\r\nHost: x\r\nX-Api-Key: {key}\r\n"
    kind = "Content-Type: application/json\r\nContent-Length: 34\r\n\r\n"
    writer.write((head + kind + '{"command": "select", ').encode())
    await writer.drain()
    writer.close()
    await asyncio.sleep(0.3)
    assert await started(farm, name) == []


async def test_a_frozen_printer_stands_still(farm: Seat, name: str, octo: Client) -> None:
    await octo.start("part.gcode")
    await octo.until_event("PrintStarted")
    await farm.admin.do(name, "freeze")
    await asyncio.sleep(1.0)
    assert await completed(farm, name) == []
    await farm.admin.do(name, "thaw")
    await octo.until_event("PrintDone")


async def test_a_start_can_come_late_although_it_was_accepted(
    farm: Seat, name: str, octo: Client
) -> None:
    await farm.admin.rule(name, "start", "late", params={"seconds": 30})
    began = time.monotonic()
    assert await octo.start("part.gcode") == 204
    assert await octo.state() == "Operational"
    await octo.until_event("PrintStarted")
    assert time.monotonic() - began > 0.4


async def test_a_request_can_be_held_and_carried_out_after_its_client_gave_up(
    farm: Seat, name: str, octo: Client
) -> None:
    await farm.admin.rule(name, "request", "hold", command="print", params={"seconds": 90})
    with pytest.raises(TimeoutError):
        await octo.post(
            "/api/files/local/part.gcode",
            {"command": "select", "print": True},
            timeout=aiohttp.ClientTimeout(0.2),
        )
    assert await started(farm, name) == []
    await octo.until_event("PrintDone")
    assert await completed(farm, name) == ["part.gcode"]


# --- starts that are lost, doubled or invented


async def test_a_start_can_be_lost_silently(farm: Seat, name: str, octo: Client) -> None:
    await farm.admin.rule(name, "start", "lost")
    assert await octo.start("part.gcode") == 204
    await asyncio.sleep(0.3)
    assert (await octo.state(), octo.events("PrintStarted")) == ("Operational", [])
    assert await started(farm, name) == []
    assert await octo.start("part.gcode") == 204
    await octo.until_event("PrintStarted")


async def test_a_start_can_be_told_twice_of_one_run(farm: Seat, name: str, octo: Client) -> None:
    await farm.admin.rule(name, "start", "twice")
    await octo.start("part.gcode")
    await octo.until_event("PrintDone")
    assert len(octo.events("PrintStarted")) == 2
    assert await started(farm, name) == ["part.gcode"]


async def test_a_print_can_be_told_done_of_which_no_line_was_sent(
    farm: Seat, name: str, octo: Client
) -> None:
    await farm.admin.rule(name, "start", "phantom")
    await octo.start("part.gcode")
    done = await octo.until_event("PrintDone")
    await octo.until(lambda: bool(octo.events("MetadataStatisticsUpdated")))
    history = await prints(octo, "part.gcode")
    assert (done["time"], history["success"]) == (None, 1)
    assert "printTime" not in history["last"]
    assert await started(farm, name) == []


async def test_the_start_of_one_file_can_be_told_while_another_runs(
    farm: Seat, name: str, octo: Client
) -> None:
    await farm.admin.rule(name, "start", "reported", params={"other": "other.gcode"})
    await octo.start("part.gcode")
    await octo.until_state("Printing")
    assert (await octo.get("/api/job"))[1]["job"]["file"]["path"] == "other.gcode"
    await octo.until_event("PrintDone")
    assert told_of_prints(octo) == [("PrintStarted", "part.gcode"), ("PrintDone", "other.gcode")]
    assert await started(farm, name) == ["other.gcode"]


async def test_two_starts_at_once_are_told_and_run_in_the_observed_ways(tmp_path: Path) -> None:
    part, other = ("PrintStarted", "part.gcode"), ("PrintStarted", "other.gcode")
    seen = set()
    async with (
        octoprints(tmp_path, count=16, time_factor=0.2, seed=2) as farm,
        asyncio.TaskGroup() as tasks,
    ):

        async def meet(printer: dict[str, Any]) -> None:
            async with listening(printer) as octo:
                await octo.upload("part.gcode", b"G4 P1\n")
                await octo.upload("other.gcode", b"G4 P2\n")
                await asyncio.gather(octo.start("part.gcode"), octo.start("other.gcode"))
                await octo.until_event("PrintDone")
                starts = [one for one in told_of_prints(octo) if one[0] == "PrintStarted"]
                ran = [one["path"] for one in await farm.admin.log(printer["name"], "start")]
                seen.add((tuple(starts), tuple(ran)))

        for printer in farm.printers:
            tasks.create_task(meet(printer))
    assert seen <= {
        ((part,), ("part.gcode",)),
        ((part, part), ("part.gcode",)),
        ((part,), ("other.gcode",)),
        ((part,), ()),
        ((other,), ("other.gcode",)),
        ((other, other), ("other.gcode",)),
        ((other,), ("part.gcode",)),
        ((other,), ()),
    }
    assert any(ran and starts[0][1] not in ran for starts, ran in seen)
    assert len(seen) >= 4


async def test_two_starts_at_once_are_both_accepted_and_one_thing_runs(
    farm: Seat, name: str, octo: Client
) -> None:
    answers = await asyncio.gather(octo.start("part.gcode"), octo.start("other.gcode"))
    assert answers[0] == 204
    assert answers[1] in {204, 409}
    await asyncio.sleep(0.3)
    assert len(await started(farm, name)) <= 1


async def test_a_start_can_be_answered_500_and_do_nothing(
    farm: Seat, name: str, octo: Client
) -> None:
    await farm.admin.rule(name, "start", "error")
    assert await octo.start("part.gcode") == 500
    await asyncio.sleep(0.2)
    assert await started(farm, name) == []


# --- deletes that race a start


@pytest.mark.parametrize("outcome", ["unlinked", "halt", "wedge"])
async def test_a_delete_that_races_a_late_start_plays_each_observed_outcome(
    farm: Seat, name: str, octo: Client, outcome: str
) -> None:
    params = {"seconds": 60, "after_delete": outcome}
    await farm.admin.rule(name, "start", "late", params=params)
    assert await octo.start("part.gcode") == 204
    assert await octo.delete("part.gcode") == 204
    assert (await octo.get("/api/files/local/part.gcode"))[0] == 404
    if outcome == "unlinked":
        await octo.until_event("PrintDone")
        assert await completed(farm, name) == ["part.gcode"]
        return
    if outcome == "halt":
        await octo.until_state("Offline after error")
    else:
        await octo.until_state("Printing")
        job = (await octo.get("/api/job"))[1]["job"]
        assert job["file"]["path"] is None
        assert (await octo.post("/api/job", {"command": "cancel"}))[0] == 204
        await asyncio.sleep(0.2)
        assert await octo.state() == "Printing"
        await octo.post("/api/connection", {"command": "disconnect"})
        await octo.post("/api/connection", {"command": "connect"})
        await octo.until_state("Operational")
    assert (await started(farm, name), octo.events("PrintStarted")) == ([], [])


async def test_a_delete_in_the_instant_of_a_start_is_answered_in_all_the_observed_ways(
    tmp_path: Path,
) -> None:
    seen: set[tuple[int, int]] = set()
    async with (
        octoprints(tmp_path, time_factor=1, seed=3) as farm,
        client(farm.printers[0]) as octo,
    ):

        async def delete(path: str, later_s: float) -> int:
            await asyncio.sleep(later_s)
            return await octo.delete(path)

        for number in range(25):
            path = f"race-{number}.gcode"
            await octo.upload(path, b"G4 P1\n")
            answers = await asyncio.gather(octo.start(path), delete(path, 0.002 * (number % 5)))
            seen.add((answers[0], answers[1]))
            await asyncio.sleep(0.05)
            with suppress(RefusedControlError):
                await farm.admin.do("*", "connect")
            await octo.until_state("Operational")
    assert {(404, 204), (500, 204)} <= seen
    assert seen <= {(404, 204), (500, 204), (204, 204), (204, 409)}


# --- what comes first is left to chance


async def test_a_start_is_told_before_or_after_its_request_is_answered(tmp_path: Path) -> None:
    first: set[str] = set()
    async with octoprints(tmp_path, time_factor=1, seed=4) as farm:
        async with listening(farm.printers[0]) as octo:
            for number in range(12):
                path = f"{number}.gcode"
                await octo.upload(path, b"G4 P1\n")
                await octo.start(path)
                await octo.until(lambda path=path: ("PrintDone", path) in told_of_prints(octo))  # type: ignore[misc]
                await octo.until_state("Operational")
        log = await farm.admin.log(farm.printers[0]["name"])
    events = [e["event"] for e in log if e["event"] == "start" or e.get("command") == "print"]
    for at in range(0, len(events), 3):
        assert events[at] == "command"
        first.add(events[at + 1])
    assert first == {"answer", "start"}


async def test_a_cancel_is_told_as_failed_before_or_after_the_printer_is_operational(
    tmp_path: Path,
) -> None:
    seen: set[tuple[str, ...]] = set()
    async with (
        octoprints(tmp_path, count=12, time_factor=1, seed=4) as farm,
        asyncio.TaskGroup() as tasks,
    ):

        async def cancel(printer: dict[str, Any]) -> None:
            async with listening(printer) as octo:
                await octo.upload("part.gcode")
                await octo.start("part.gcode")
                await octo.until_state("Printing")
                await octo.post("/api/job", {"command": "cancel"})
                await octo.until_event("PrintFailed")
                await octo.until_state("Operational")
                await octo.until(lambda: told(octo)[-1:] != ["PrintCancelled"])
                seen.add(tuple(told(octo)))

        def told(octo: Client) -> list[str]:
            words = {"PrintCancelled", "PrintFailed", "OPERATIONAL"}
            said = [(e["payload"] or {}).get("state_id", e["type"]) for e in octo.events()]
            return [word for word in said if word in words]

        for printer in farm.printers:
            tasks.create_task(cancel(printer))
    assert seen == {
        ("PrintCancelled", "PrintFailed", "OPERATIONAL"),
        ("PrintCancelled", "OPERATIONAL", "PrintFailed"),
    }


async def test_a_connection_can_be_operational_before_its_printer_can_be_read(
    tmp_path: Path,
) -> None:
    early = 0
    async with (
        octoprints(tmp_path, time_factor=0.1, seed=1, more=["--no-connect"]) as farm,
        client(farm.printers[0]) as octo,
        asyncio.timeout(20),
    ):
        for _ in range(4):
            await octo.post("/api/connection", {"command": "connect"})
            while (await octo.get("/api/connection"))[1]["current"]["state"] != "Operational":
                await asyncio.sleep(0.005)
            early += (await octo.get("/api/printer"))[0] == 409
            await octo.until_state("Operational")
            await octo.post("/api/connection", {"command": "disconnect"})
    assert early


# --- hosts and printers that die


async def test_a_kill_in_the_middle_of_a_print_writes_nothing(
    farm: Seat, name: str, octo: Client
) -> None:
    await octo.start("part.gcode")
    await octo.until_event("PrintStarted")
    await farm.admin.do(name, "kill")
    await octo.until(lambda: octo.gap)
    with pytest.raises(aiohttp.ClientConnectorError):
        await octo.get("/api/version")
    await farm.admin.do(name, "boot")
    async with client(farm.printers[0]) as again:
        await again.until_state("Operational")
        assert await prints(again, "part.gcode") == {}
        log = (await again.get("/downloads/logs/octoprint.log"))[1].decode()
    assert "Print job started - origin: local, path: part.gcode" in log
    assert (await farm.admin.log(name, "end"))[0]["outcome"] == "stopped"
    assert (await truth(farm))["bed"] == ["run-1"]


@pytest.mark.parametrize("counted", [False, True])
async def test_a_restart_forgets_markings_and_counts_no_failure_unless_it_disconnected_first(
    farm: Seat, name: str, octo: Client, counted: bool
) -> None:
    await octo.start("part.gcode")
    await octo.until_event("PrintStarted")
    await farm.admin.do(name, "restart", down_s=4, counted=counted)
    await octo.until(lambda: octo.gap)
    await asyncio.sleep(0.3)
    async with listening(farm.printers[0]) as again:
        assert (await prints(again, "part.gcode")).get("failure", 0) == counted
        history = next(m["history"] for m in again.heard if "history" in m)
    assert [marking["type"] for marking in history["markings"]] == ["connected"]


async def test_a_firmware_halt_ends_the_print_in_the_observed_order(
    farm: Seat, name: str, octo: Client
) -> None:
    await octo.start("part.gcode")
    await octo.until_event("PrintStarted")
    await farm.admin.do(name, "halt")
    failed = await octo.until_event("PrintFailed")
    kinds = octo.kinds()
    order = [kinds.index(kind) for kind in ("Error", "EStop", "FileDeselected", "Disconnected")]
    assert order == sorted(order)
    assert order[-1] < kinds.index("PrintFailed")
    assert failed["reason"] == "error"
    _, job = await octo.get("/api/job")
    assert (job["state"], job["job"]["file"]["path"]) == ("Offline after error", None)
    assert (await octo.get("/api/printer"))[0] == 409
    assert (await octo.get("/api/printer/error"))[1]["reason"] == "firmware"


async def test_a_printer_that_stops_answering_fails_its_print(
    farm: Seat, name: str, octo: Client
) -> None:
    await farm.admin.rule(name, "print", "fail", params={"fraction": 0.3})
    await octo.start("part.gcode")
    failed = await octo.until_event("PrintFailed")
    assert failed["reason"] == "error"
    assert await completed(farm, name) == []


# --- people


async def test_a_person_can_start_a_leftover_file_at_the_printer(
    farm: Seat, name: str, octo: Client
) -> None:
    await farm.admin.do(name, "print", path="part.gcode")
    started_event = await octo.until_event("PrintStarted")
    assert (started_event["path"], started_event["owner"]) == ("part.gcode", "person")
    assert (await farm.admin.log(name, "start"))[0]["foreign"] is True


async def test_a_person_can_print_select_pause_and_cancel_at_the_printer(
    farm: Seat, name: str, octo: Client
) -> None:
    await farm.admin.do(name, "select", path="other.gcode")
    assert (await octo.get("/api/job"))[1]["job"]["file"]["path"] == "other.gcode"
    await farm.admin.do(name, "print", path="mine.gcode", gcode="G4 S60\n")
    await octo.until_state("Printing")
    await farm.admin.do(name, "pause")
    await octo.until_state("Paused")
    await farm.admin.do(name, "cancel")
    await octo.until_event("PrintCancelled")


async def test_a_part_on_the_bed_is_hit_unless_a_person_takes_it_away(
    farm: Seat, name: str, octo: Client
) -> None:
    await farm.admin.do(name, "occupy-bed")
    await octo.start("part.gcode")
    await octo.until_event("PrintDone")
    await farm.admin.do(name, "clear-bed")
    assert (await truth(farm))["bed"] == []
    assert len(await farm.admin.log(name, "collision")) == 1
    await farm.admin.do(name, "auto-clear", seconds=1)
    await octo.until_state("Operational")
    await octo.start("part.gcode")
    await until_runs(farm, 2)
    async with asyncio.timeout(10):
        while (await truth(farm))["bed"]:
            await asyncio.sleep(0.02)


# --- answers that are no answers


CSRF = (400, {"error": "CSRF validation failed"})


async def test_a_revoked_key_reads_nothing_and_commands_nothing_as_on_the_real_one(
    farm: Seat, name: str, octo: Client
) -> None:
    await farm.admin.do(name, "revoke-key")
    for path in ("/api/job", "/api/printer", "/api/files/local/part.gcode", "/api/files/local"):
        assert (await octo.get(path))[0] == 403
    status, page = await octo.get("/downloads/files/local/part.gcode")
    assert (status, b"Forbidden" in page) == (403, True)
    select = {"command": "select", "print": True}
    for path in ("/api/files/local/part.gcode", "/api/files/local/none.gcode"):
        assert await octo.post(path, select) == CSRF
        assert await octo.call("DELETE", path) == CSRF
    assert await octo.post("/api/job", {"command": "cancel"}) == CSRF
    assert await octo.post("/api/connection", {"command": "disconnect"}) == CSRF
    assert await octo.post("/api/login", {"passive": True}) == CSRF
    assert await octo.upload("late.gcode", PART * 10_000) == CSRF
    assert (await octo.post("/api/none"))[0] == (await octo.get("/api/none"))[0] == 404
    await farm.admin.do(name, "restore-key")
    assert (await octo.get("/api/files/local/part.gcode"))[0] == 200
    assert (await octo.get("/api/files/local/late.gcode"))[0] == 404
    assert (await octo.state(), await started(farm, name)) == ("Operational", [])


async def test_an_open_socket_outlives_its_key_unless_it_is_told(
    farm: Seat, name: str, octo: Client
) -> None:
    await farm.admin.do(name, "revoke-key")
    count = len(octo.heard)
    await octo.until(lambda: len(octo.heard) > count)
    await farm.admin.do(name, "revoke-key", told=True)
    await octo.until(lambda: {"reauthRequired": {"reason": "stale"}} in octo.heard)
    await farm.admin.do(name, "restore-key")
    assert (await octo.get("/api/job"))[0] == 200


@pytest.mark.parametrize("play", ["slow", "not-json", "error", "truncate", "cut", "never"])
async def test_answers_can_be_spoilt_after_the_request_was_carried_out(
    farm: Seat, name: str, octo: Client, play: str
) -> None:
    await farm.admin.rule(name, "answer", play, command="print", params={"seconds": 30})
    outcome: Any
    try:
        outcome = await octo.post(
            "/api/files/local/part.gcode",
            {"command": "select", "print": True},
            timeout=aiohttp.ClientTimeout(1.0),
        )
    except (aiohttp.ClientError, TimeoutError) as error:
        outcome = type(error)
    expected = {
        "slow": (204, b""),
        "not-json": (200, b"<!doctype html><html><body>Bad gateway</body></html>"),
        "cut": aiohttp.ClientOSError,
    }
    if play in expected:
        assert outcome == expected[play] or issubclass(outcome, aiohttp.ClientError)
    elif play == "error":
        assert outcome[0] == 500
    elif play == "never":
        assert outcome is TimeoutError
    await octo.until_event("PrintDone")
    assert await completed(farm, name) == ["part.gcode"]


async def test_a_truncated_answer_ends_before_its_length(
    farm: Seat, name: str, octo: Client
) -> None:
    await farm.admin.rule(name, "answer", "truncate", path="/api/printer")
    with pytest.raises(aiohttp.ClientPayloadError):
        await octo.get("/api/printer")


async def free(octo: Client) -> int:
    return int((await octo.get("/api/files/local"))[1]["free"])


async def test_a_full_disk_cuts_uploads_off_and_shows_no_room_for_a_while(
    farm: Seat, name: str, octo: Client
) -> None:
    await farm.admin.rule(name, "upload", "disk-full", params={"seconds": 300})
    assert await free(octo) > len(PART)
    for number in range(2):
        with pytest.raises(aiohttp.ClientError):
            await octo.upload(f"late-{number}.gcode", PART * 10_000)
        assert await free(octo) == 0
    async with asyncio.timeout(10):
        while await free(octo) == 0:
            await asyncio.sleep(0.05)
    assert (await octo.get("/api/files/local/late-0.gcode"))[0] == 404
    assert (await octo.upload("late.gcode"))[0] == 201
    cut = [e for e in await farm.admin.log(name, "command") if e.get("fault") == "disk-full"]
    assert [entry["path"] for entry in cut] == ["/api/files/local"] * 2


async def test_a_full_disk_is_over_when_its_rule_is_removed(
    farm: Seat, name: str, octo: Client
) -> None:
    await farm.admin.rule(name, "upload", "disk-full", times=-1, params={"seconds": 600})
    with pytest.raises(aiohttp.ClientError):
        await octo.upload("late.gcode")
    await farm.admin.clear_rules(name)
    assert await free(octo) > 0
    assert (await octo.upload("late.gcode"))[0] == 201


async def test_a_host_that_receives_on_another_disk_than_the_full_one_keeps_half_a_file(
    farm: Seat, name: str, octo: Client
) -> None:
    await farm.admin.rule(name, "upload", "disk-full", params={"answered": True})
    status, body = await octo.upload("half.gcode")
    assert (status, body) == (500, {"error": "[Errno 28] No space left on device"})
    assert (await octo.get("/api/files/local/half.gcode"))[1]["size"] < len(PART)
    assert await free(octo) == 0


async def test_a_mixed_up_upload_is_accepted_and_holds_something_else(
    farm: Seat, name: str, octo: Client
) -> None:
    await farm.admin.rule(name, "upload", "mixed")
    assert (await octo.upload("mixed.gcode"))[0] == 201
    _, stored = await octo.get("/downloads/files/local/mixed.gcode")
    assert (len(stored), stored == PART) == (len(PART), False)


async def test_a_wrong_clock_shows_in_every_time(farm: Seat, name: str, octo: Client) -> None:
    await farm.admin.do(name, "skew-clock", seconds=-86400)
    octo.heard.clear()
    await octo.until(lambda: any("current" in message for message in octo.heard))
    shown = next(m["current"]["serverTime"] for m in octo.heard if "current" in m)
    assert shown < time.time() - 86000
    entry = (await octo.get("/api/files/local/part.gcode"))[1]
    assert entry["date"] < time.time() - 86000


async def test_a_dripping_host_sends_one_byte_at_a_time(farm: Seat, name: str) -> None:
    await farm.admin.do(name, "drip", interval_s=60)
    async with client(farm.printers[0]) as octo:
        with pytest.raises(TimeoutError):
            await octo.get("/api/version", timeout=aiohttp.ClientTimeout(0.5))
        await farm.admin.do(name, "stop-drip")
        assert (await octo.get("/api/version"))[0] == 200


async def test_a_flooding_host_pushes_without_end(farm: Seat, name: str, octo: Client) -> None:
    await farm.admin.do(name, "flood", per_s=100, burst=500)
    await octo.until(lambda: len(octo.events("plugin_flood")) > 3000)
    await farm.admin.do(name, "stop-flood")


async def test_a_flapping_link_comes_and_goes(farm: Seat, name: str) -> None:
    await farm.admin.do(name, "flap", up_s=6, down_s=6)
    seen: set[int | None] = set()
    async with asyncio.timeout(10), client(farm.printers[0]) as octo:
        while seen != {200, None}:
            try:
                seen.add((await octo.get("/api/version"))[0])
            except aiohttp.ClientError:
                seen.add(None)
            await asyncio.sleep(0.02)
    await farm.admin.do(name, "stop-flap")


async def test_a_silent_socket_stays_open_and_says_nothing(
    farm: Seat, name: str, octo: Client
) -> None:
    await farm.admin.do(name, "hush")
    await octo.start("part.gcode")
    await until_runs(farm, 1)
    assert (octo.events("PrintStarted"), octo.gap) == ([], False)


# --- the record


async def test_every_command_is_on_the_record_once_it_has_arrived(
    farm: Seat, name: str, octo: Client
) -> None:
    plays = ("lose", "reset", "hold", "error")
    for play in plays:
        await farm.admin.rule(name, "request", play, command="print", params={"seconds": 3600})
        with suppress(aiohttp.ClientError, TimeoutError):
            await octo.post(
                "/api/files/local/part.gcode",
                {"command": "select", "print": True},
                timeout=aiohttp.ClientTimeout(1.0),
            )
    await farm.admin.rule(name, "answer", "never", command="print")
    with pytest.raises(TimeoutError):
        await octo.post(
            "/api/files/local/part.gcode",
            {"command": "select", "print": True},
            timeout=aiohttp.ClientTimeout(1.0),
        )
    asked = [e for e in await farm.admin.log(name, "command") if e["command"] == "print"]
    assert [entry.get("fault") for entry in asked] == [*plays, None]
    assert all(abs(entry["arrived"] - entry["t"]) < 1 for entry in asked)
    assert all(entry["path"] == "/api/files/local/part.gcode" for entry in asked)
    answered = [e for e in await farm.admin.log(name, "answer") if e["command"] == "print"]
    told = [(entry["request"], entry["status"], entry.get("fault")) for entry in answered]
    assert told == [(asked[3]["request"], 500, None), (asked[4]["request"], 204, "never")]


async def test_a_command_is_on_the_record_although_its_host_died_before_the_answer(
    farm: Seat, name: str, octo: Client
) -> None:
    await farm.admin.rule(name, "request", "hold", command="cancel", params={"seconds": 3600})

    async def die() -> None:
        async with asyncio.timeout(5):
            while not await cancels(farm, name, "command"):
                await asyncio.sleep(0.02)
        await farm.admin.do(name, "kill")

    cancel = octo.post("/api/job", {"command": "cancel"})
    answer, _ = await asyncio.gather(cancel, die(), return_exceptions=True)
    assert isinstance(answer, aiohttp.ClientError)
    assert (await cancels(farm, name, "command"), await cancels(farm, name, "answer")) == (1, 0)


async def cancels(farm: Seat, name: str, event: str) -> int:
    return sum(e["command"] == "cancel" for e in await farm.admin.log(name, event))


# --- chance


async def test_seeded_chance_plays_the_same_faults_again(tmp_path: Path) -> None:
    async def statuses(folder: Path) -> list[int]:
        async with octoprints(folder, seed=11) as farm, client(farm.printers[0]) as octo:
            await farm.admin.rates("*", {"answer.error": 0.5})
            return [(await octo.get("/api/version"))[0] for _ in range(40)]

    first = await statuses(tmp_path / "one")
    assert first == await statuses(tmp_path / "two")
    assert set(first) == {200, 500}


async def test_a_fault_that_cannot_be_played_is_refused_with_those_that_can(
    farm: Seat, name: str
) -> None:
    with pytest.raises(RefusedControlError, match=r"start\.late"):
        await farm.admin.rule(name, "start", "explode")
    with pytest.raises(RefusedControlError, match="freeze"):
        await farm.admin.do(name, "explode")
