"""What a client of Moonraker sees, held to the observed facts.

Everything is shown twice: by a real Moonraker before the stand-in for Klippy, and by a simulated
one, which has the same Klippy behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from buildplate_sim.launch import moonrakers
from tests.integration.moonraker_host import moonraker_host
from tests.integration.moonraker_side import MoonrakerSide, RpcClient, RpcError, gcode
from tests.integration.moonraker_simulated import SimulatedMoonraker
from tests.integration.octoprint_host import sha256

pytestmark = pytest.mark.asyncio(loop_scope="module")
FACTOR = 10.0
"""The machine's time; what Moonraker and the pushes take is real time."""

G4 = f"G4 P{600 * FACTOR:.0f}"
"""Holds the queue for about half a real second."""

OBJECTS = ("print_stats", "virtual_sdcard", "webhooks", "idle_timeout", "toolhead")


@pytest_asyncio.fixture(
    scope="module",
    loop_scope="module",
    params=[
        pytest.param("real", marks=pytest.mark.needs_moonraker),
        pytest.param("simulated"),
    ],
)
async def running(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[MoonrakerSide]:
    folder: Path = tmp_path_factory.mktemp("m")
    if request.param == "real":
        async with moonraker_host(folder, time_factor=FACTOR) as host:
            yield host
    else:
        async with moonrakers(folder, time_factor=FACTOR) as simulator:
            yield SimulatedMoonraker(simulator, folder)


@pytest_asyncio.fixture(loop_scope="module")
async def host(running: MoonrakerSide) -> AsyncIterator[MoonrakerSide]:
    """The module's pair, with a ready machine that does nothing, and a clear bed."""
    klippy = (await running.machine.printer(running.printer))["state"]
    if klippy != "ready":
        await running.trusted_call("printer.firmware_restart")
        await running.settled()
    await running.machine.clear_rules(running.printer)
    await running.trusted_call("printer.gcode.script", script="CANCEL_PRINT\nM400")
    await running.do("clear-bed")
    yield running


@pytest_asyncio.fixture(loop_scope="module")
async def client(host: MoonrakerSide) -> AsyncIterator[RpcClient]:
    async with host.client() as connected:
        await connected.subscribe(*OBJECTS)
        yield connected


async def _physical(host: MoonrakerSide, path: str) -> list[str]:
    """What became of each physical run of a path."""
    return [end["outcome"] for end in await host.record("end") if end["path"] == path]


async def _store(host: MoonrakerSide, name: str, content: bytes) -> None:
    status, answer = await host.put(name, content)
    assert status == 201, answer


def _lines(client: RpcClient) -> Callable[[], Awaitable[list[str]]]:
    async def look() -> list[str]:
        return client.lines()

    return look


async def _row(client: RpcClient, name: str) -> str:
    """What the next notice of this file's history row says."""
    while True:
        row = (await client.hears("notify_history_changed"))[0]["job"]
        if row["filename"] == name:
            return str(row["status"])


async def _refused(client: RpcClient, method: str, **params: Any) -> str:
    with pytest.raises(RpcError) as caught:
        await client.call(method, **params)
    assert caught.value.code == 400
    return caught.value.message


# --- a print ------------------------------------------------------------------------------------


async def test_a_print_ends_in_the_history_and_in_the_machines_own_record(
    host: MoonrakerSide, client: RpcClient
) -> None:
    content = gcode(6.0, "first")
    await _store(host, "first.gcode", content)
    assert await client.call("printer.print.start", filename="first.gcode") == "ok"
    assert await _row(client, "first.gcode") == "in_progress"
    assert await _row(client, "first.gcode") == "completed"
    ends = [end for end in await host.record("end") if end["path"] == "first.gcode"]
    assert [(end["sha256"], end["outcome"]) for end in ends] == [(sha256(content), "completed")]


async def test_complete_is_told_when_the_last_line_is_parsed_and_the_motion_runs_on(
    host: MoonrakerSide, client: RpcClient
) -> None:
    await _store(host, "tail.gcode", gcode(12.0, "tail").replace(b"M400\n", b""))
    await client.call("printer.print.start", filename="tail.gcode")
    await host.until(_lines(client), lambda lines: "Done printing file" in lines)
    assert await _physical(host, "tail.gcode") == []
    assert (await host.status("idle_timeout"))["idle_timeout"]["state"] == "Printing"
    await client.call("printer.gcode.script", script="M400")
    assert await _physical(host, "tail.gcode") == ["completed"]
    await host.until(
        lambda: host.status("idle_timeout"), lambda seen: seen["idle_timeout"]["state"] == "Ready"
    )


async def test_pause_resume_and_cancel_go_by_moonraker_and_keep_the_place(
    host: MoonrakerSide, client: RpcClient
) -> None:
    await _store(host, "stop.gcode", gcode(200.0, "stop"))
    await client.call("printer.print.start", filename="stop.gcode")
    await host.print_is("printing")
    assert await client.call("printer.print.pause") == "ok"
    assert await host.print_is("paused") == "paused"
    at = (await host.status("virtual_sdcard"))["virtual_sdcard"]
    assert (at["is_active"], at["file_position"] > 0) == (False, True)
    assert await client.call("printer.print.pause") == "ok"
    assert client.lines()[-1] == "// Print already paused"
    assert (await host.status("virtual_sdcard"))["virtual_sdcard"] == at
    assert await client.call("printer.print.resume") == "ok"
    await host.print_is("printing")
    assert await client.call("printer.print.cancel") == "ok"
    stats = await host.status("print_stats", "virtual_sdcard")
    assert stats["print_stats"]["state"] == "cancelled"
    assert stats["print_stats"]["filename"] == "stop.gcode"
    assert stats["virtual_sdcard"]["file_position"] == 0
    assert await _physical(host, "stop.gcode") == ["cancelled"]


async def test_orders_without_a_print_are_answered_ok_and_do_nothing(client: RpcClient) -> None:
    assert await client.call("printer.print.cancel") == "ok"
    assert await client.call("printer.print.pause") == "ok"
    assert await client.call("printer.print.resume") == "ok"
    assert await client.call("printer.gcode.script", script="FOO") == "ok"
    wanted = {"// action:cancel", "// action:paused", "// action:resumed"}
    assert wanted <= set(client.lines())
    assert client.lines()[-1] == '// Unknown command:"FOO"'


async def test_pushes_hold_changed_fields_only_four_times_a_second(
    host: MoonrakerSide, client: RpcClient
) -> None:
    await _store(host, "pushes.gcode", gcode(80.0, "pushes"))
    await client.call("printer.print.start", filename="pushes.gcode")
    await host.print_is("printing")
    while "state" not in (await client.hears("notify_status_update"))[0].get("print_stats", {}):
        pass
    found: list[list[Any]] = [await client.hears("notify_status_update") for _ in range(4)]
    told = [update["print_stats"].keys() for update, _ in found if "print_stats" in update]
    assert told
    assert all(fields == {"total_duration"} for fields in told)
    apart = [later[1] - earlier[1] for earlier, later in pairwise(found)]
    assert all(seconds > 0.2 * FACTOR for seconds in apart), apart
    assert min(apart) < 0.5 * FACTOR, apart
    assert not any("webhooks" in update for update, _ in found)


# --- the queue ----------------------------------------------------------------------------------


async def test_what_is_sent_behind_a_g4_waits_and_goes_in_the_order_of_its_coming(
    host: MoonrakerSide, client: RpcClient
) -> None:
    await _store(host, "queued.gcode", gcode(80.0, "queued"))
    hold = await client.send("printer.gcode.script", script=G4)
    first = await client.send("printer.print.start", filename="queued.gcode")
    second = await client.send("printer.print.start", filename="queued.gcode")
    barrier = await client.send("printer.gcode.script", script="M115")
    await asyncio.sleep(0.2)
    assert not any(answer.done() for answer in (hold, first, second, barrier))
    seen = await host.status("print_stats", "idle_timeout")
    assert seen["print_stats"]["state"] != "printing"
    assert seen["idle_timeout"]["state"] == "Printing"
    assert await barrier == "ok"
    assert (await hold, await first) == ("ok", "ok")
    with pytest.raises(RpcError, match="SD busy"):
        await second
    await host.print_is("printing")
    assert [path for path in await host.starts() if path == "queued.gcode"] == ["queued.gcode"]


async def test_a_start_that_is_queued_runs_although_moonraker_was_killed_meanwhile(
    host: MoonrakerSide, client: RpcClient
) -> None:
    await _store(host, "orphan.gcode", gcode(2.0, "orphan"))
    await host.do("hold", seconds=3 * FACTOR)
    await client.send("printer.print.start", filename="orphan.gcode")
    await asyncio.sleep(0.2)
    await host.kill_moonraker()
    await host.start_moonraker()
    await host.klippy_is("ready")
    assert "orphan.gcode" not in await host.starts()
    await host.until(host.completions, lambda found: "orphan.gcode" in found)


async def test_an_emergency_stop_is_immediate_and_drops_what_is_queued(
    host: MoonrakerSide, client: RpcClient
) -> None:
    await _store(host, "dropped.gcode", gcode(2.0, "dropped"))
    cut = await client.send("printer.gcode.script", script="G4 P600000")
    queued = await client.send("printer.print.start", filename="dropped.gcode")
    await asyncio.sleep(0.2)
    process = (await client.call("printer.info"))["process_id"]
    assert await client.call("printer.emergency_stop") == "ok"
    assert await cut == "ok"
    with pytest.raises(RpcError, match="Shutdown due to webhooks request"):
        await queued
    await client.hears("notify_klippy_shutdown")
    assert (await host.status("webhooks"))["webhooks"]["state"] == "shutdown"
    refusal = await _refused(client, "printer.print.start", filename="dropped.gcode")
    assert refusal.startswith("Shutdown due to")
    await client.call("printer.restart")
    await host.klippy_is("error")
    said = await client.call("printer.info")
    assert said["state_message"].startswith("Can not update MCU 'mcu' config as it is shutdown")
    await client.call("printer.firmware_restart")
    await client.hears("notify_klippy_ready")
    await host.settled()
    assert (await client.call("printer.info"))["process_id"] == process
    assert "dropped.gcode" not in await host.starts()
    client.heard.clear()  # the subscription is gone with the former Klippy
    await client.call("printer.gcode.script", script="M117 anybody")
    await asyncio.sleep(0.6)
    assert "notify_status_update" not in [name for name, _ in client.heard]


async def test_a_stop_in_a_print_leaves_it_paused_in_a_klippy_that_is_shut_down(
    host: MoonrakerSide, client: RpcClient
) -> None:
    await _store(host, "halted.gcode", gcode(200.0, "halted"))
    await host.machine.rule(host.printer, "print", "halt", params={"fraction": 0.05})
    await client.call("printer.print.start", filename="halted.gcode")
    await client.hears("notify_klippy_shutdown")
    seen = await host.status("print_stats", "virtual_sdcard", "webhooks")
    assert seen["print_stats"]["state"] == "paused"
    assert seen["virtual_sdcard"]["is_active"] is False
    assert seen["webhooks"]["state"] == "shutdown"
    assert await _physical(host, "halted.gcode") == ["failed"]
    row = (await host.history())[0]
    assert (row["filename"], row["status"]) == ("halted.gcode", "klippy_shutdown")


async def test_a_restart_queues_behind_a_start_which_runs_first_and_dies_with_it(
    host: MoonrakerSide, client: RpcClient
) -> None:
    await _store(host, "died.gcode", gcode(200.0, "died"))
    hold = await client.send("printer.gcode.script", script=G4)
    start = await client.send("printer.print.start", filename="died.gcode")
    await client.send("printer.restart")
    assert (await hold, await start) == ("ok", "ok")
    await client.hears("notify_klippy_disconnected")
    await client.hears("notify_klippy_ready")
    await host.settled()
    assert await _physical(host, "died.gcode") == ["stopped"]
    assert await host.print_state() == "standby"


async def test_a_cancel_stops_whatever_prints_when_its_turn_comes(
    host: MoonrakerSide, client: RpcClient
) -> None:
    await _store(host, "theirs.gcode", gcode(200.0, "theirs"))
    hold = await client.send("printer.gcode.script", script=G4)
    await host.do("print", path="theirs.gcode")
    cancel = await client.send("printer.print.cancel")
    assert (await hold, await cancel) == ("ok", "ok")
    assert await _physical(host, "theirs.gcode") == ["cancelled"]
    assert [s["foreign"] for s in await host.record("start") if s["path"] == "theirs.gcode"] == [
        True
    ]


# --- files --------------------------------------------------------------------------------------


async def test_a_file_deleted_right_after_its_start_answers_200_and_prints_on(
    host: MoonrakerSide, client: RpcClient
) -> None:
    await _store(host, "gone.gcode", gcode(10.0, "gone"))
    await client.call("printer.print.start", filename="gone.gcode")
    assert await host.delete("gone.gcode") == 200
    await host.until(host.completions, lambda found: "gone.gcode" in found)


async def test_a_file_in_use_can_be_neither_deleted_nor_overwritten_nor_joined(
    host: MoonrakerSide, client: RpcClient
) -> None:
    await _store(host, "used.gcode", gcode(200.0, "used"))
    await client.call("printer.print.start", filename="used.gcode")
    await asyncio.sleep(0.6)
    assert await host.delete("used.gcode") == 403
    assert (await host.put("used.gcode", b"G28\n"))[0] == 403
    status, answer = await host.put("other.gcode", b"G28\n", print="true")
    assert (status, answer["print_started"]) == (201, False)
    assert "other.gcode" not in await host.starts()


async def test_a_start_whose_file_is_deleted_while_it_waits_wipes_the_former_ending(
    host: MoonrakerSide, client: RpcClient
) -> None:
    await _store(host, "former.gcode", gcode(1.0, "former"))
    await _store(host, "never.gcode", gcode(1.0, "never"))
    await client.call("printer.print.start", filename="former.gcode")
    await host.print_is("complete")
    hold = await client.send("printer.gcode.script", script=G4)
    start = await client.send("printer.print.start", filename="never.gcode")
    assert await host.delete("never.gcode") == 200
    with pytest.raises(RpcError, match="Unable to open file"):
        await start
    assert await hold == "ok"
    stats = (await host.status("print_stats"))["print_stats"]
    assert (stats["filename"], stats["state"]) == ("", "standby")


async def test_names_are_met_in_any_case_endings_in_small_letters_only(
    host: MoonrakerSide, client: RpcClient
) -> None:
    (host.gcodes / 'Odd ;* é".gcode').write_bytes(gcode(1.0, "odd"))
    await _store(host, "UPPER.GCODE", gcode(1.0, "upper"))
    await client.call("printer.print.start", filename='odd ;* é".GCODE')
    await host.print_is("complete")
    stats = (await host.status("print_stats"))["print_stats"]
    assert stats["filename"] == 'odd ;* é".GCODE'
    assert await _refused(client, "printer.print.start", filename="UPPER.GCODE")


async def test_a_line_without_its_end_is_never_carried_out(
    host: MoonrakerSide, client: RpcClient
) -> None:
    await _store(host, "last.gcode", b"M117 carried out\r\nG4 P6000\nM117 never")
    await client.call("printer.print.start", filename="last.gcode")
    await host.print_is("complete")
    seen = await host.status("display_status", "virtual_sdcard")
    assert seen["display_status"]["message"] == "carried out"
    assert seen["virtual_sdcard"]["progress"] < 1


async def test_a_wrong_byte_pauses_the_print_without_a_word(
    host: MoonrakerSide, client: RpcClient
) -> None:
    await _store(host, "latin.gcode", b"G4 P6000\n; caf\xe9\nG4 P6000\n")
    await client.call("printer.print.start", filename="latin.gcode")
    assert await host.print_is("paused", "complete", "error") == "paused"
    stats = await host.status("print_stats", "virtual_sdcard")
    assert (stats["print_stats"]["message"], stats["virtual_sdcard"]["file_position"]) == ("", 0)


# --- errors -------------------------------------------------------------------------------------


async def test_an_error_in_a_line_ends_the_print_with_its_words_and_the_heaters_off(
    host: MoonrakerSide, client: RpcClient
) -> None:
    await _store(host, "wrong.gcode", b"M140 S60\nG4 P6000\nM104 S999\nG28\n")
    await client.call("printer.print.start", filename="wrong.gcode")
    assert await host.print_is("error") == "error"
    words = "Requested temperature (999.0) out of range (0.0:300.0)"
    assert (await host.status("print_stats"))["print_stats"]["message"] == words
    assert (await host.status("heater_bed"))["heater_bed"]["target"] == 0
    assert client.lines().count(f"!! {words}") == 1
    assert await _row(client, "wrong.gcode") == "in_progress"
    assert await _row(client, "wrong.gcode") == "error"
    assert await _physical(host, "wrong.gcode") == ["failed"]


async def test_an_error_within_a_macro_is_said_twice(
    host: MoonrakerSide, client: RpcClient
) -> None:
    missing = {"filename": "none.gcode"}
    assert await _refused(client, "printer.print.start", **missing) == "Unable to open file"
    assert client.lines().count("!! Unable to open file") == 1
    await host.do(
        "macro",
        macro="SDCARD_PRINT_FILE",
        rename_existing="_BASE_SDCARD_PRINT_FILE",
        gcode="_BASE_SDCARD_PRINT_FILE {rawparams}",
    )
    client.heard.clear()
    assert await _refused(client, "printer.print.start", **missing) == "Unable to open file"
    assert client.lines().count("!! Unable to open file") == 2
    await host.do("remove-macro", macro="SDCARD_PRINT_FILE")


async def test_deleting_a_file_while_klippy_looks_for_another_can_shut_it_down(
    host: MoonrakerSide, client: RpcClient
) -> None:
    await _store(host, "walk.gcode", gcode(1.0, "walk"))
    await host.machine.rule(host.printer, "start", "shutdown", path="walk.gcode")
    said = await _refused(client, "printer.print.start", filename="walk.gcode")
    assert said == 'Internal error on command:"SDCARD_PRINT_FILE"'
    await host.klippy_is("shutdown")
    assert "walk.gcode" not in await host.starts()


# --- controls -----------------------------------------------------------------------------------


async def test_impossible_moves_are_refused_in_klippers_words(client: RpcClient) -> None:
    async def said(script: str) -> str:
        return await _refused(client, "printer.gcode.script", script=script)

    await client.call("printer.gcode.script", script="M84\nM104 S0\nG90")
    assert (await said("G1 X1")).startswith("Must home axis first: 1.000")
    await client.call("printer.gcode.script", script="G28")
    assert (await said("G1 X999")).startswith("Move out of range: 999.000")
    assert (await said("M83\nG1 E5")).startswith("Extrude below minimum temp")
    assert (await said("SET_HEATER_TEMPERATURE extruder")).startswith("Malformed command")
    assert (await said("SET_HEATER_TEMPERATURE TARGET=5")).endswith("missing HEATER")


async def test_every_control_moves_the_machine_and_shows_in_its_object(
    host: MoonrakerSide, client: RpcClient
) -> None:
    script = [
        "G28", "G90", "G1 X10 Y20 Z5 F6000", "G91", "G0 X2.5", "G90", "G92 E0",
        "M140 S60", "M104 S200", "M106 S127.5", "M220 S150", "M221 S90",
        "SET_GCODE_OFFSET Z_ADJUST=0.05 MOVE=1",
        "EXCLUDE_OBJECT_DEFINE NAME=cube CENTER=50,50 POLYGON=[[40,40],[60,60]]",
        "EXCLUDE_OBJECT_START NAME=cube", "EXCLUDE_OBJECT NAME=cube", "G1 X100",
        "EXCLUDE_OBJECT_END NAME=cube", "BED_MESH_CALIBRATE", "M117 Hello; you", "M73 P40",
    ]  # fmt: skip
    await client.call("printer.gcode.script", script="\n".join(script))
    seen = await host.status(
        "toolhead", "gcode_move", "heater_bed", "extruder", "fan", "exclude_object", "bed_mesh",
        "display_status",
    )  # fmt: skip
    assert seen["toolhead"]["homed_axes"] == "xyz"
    assert seen["toolhead"]["position"][:3] == [12.5, 20.0, 5.05]
    assert seen["gcode_move"]["gcode_position"][:3] == [12.5, 20.0, 5.0]
    assert seen["gcode_move"]["homing_origin"][2] == 0.05
    assert (seen["gcode_move"]["speed_factor"], seen["gcode_move"]["extrude_factor"]) == (1.5, 0.9)
    assert (seen["heater_bed"]["target"], seen["extruder"]["target"]) == (60, 200)
    assert seen["extruder"]["temperature"] > 21.3
    assert seen["fan"]["speed"] == 0.5
    assert seen["exclude_object"]["excluded_objects"] == ["CUBE"]
    assert seen["bed_mesh"]["profile_name"] == "default"
    assert len(seen["bed_mesh"]["probed_matrix"]) == 5
    assert seen["display_status"] == {"progress": 0.4, "message": "Hello; you"}
    await client.call("printer.gcode.script", script="TURN_OFF_HEATERS\nM107\nM220 S100\nM84")
    assert (await host.status("toolhead"))["toolhead"]["homed_axes"] == ""


async def test_the_commands_that_klippy_knows_come_with_a_word_of_help(
    host: MoonrakerSide, client: RpcClient
) -> None:
    commands = await client.call("printer.gcode.help")
    assert commands["SDCARD_PRINT_FILE"] == "Loads a SD file and starts the print"
    assert "FIRMWARE_RESTART" in commands
    objects = (await client.call("printer.objects.list"))["objects"]
    assert {"gcode_macro PRINT_START", "bed_mesh", "heaters", "mcu"} <= set(objects)
    settings = (await host.status("configfile"))["configfile"]["settings"]
    assert settings["virtual_sdcard"]["path"] == str(host.gcodes)
    assert (await host.status("no_such_object")) == {}


# --- what fails ---------------------------------------------------------------------------------


async def test_a_frozen_klippy_carries_out_a_start_when_it_wakes(
    host: MoonrakerSide, client: RpcClient
) -> None:
    await _store(host, "woken.gcode", gcode(2.0, "woken"))
    await host.freeze_klippy()
    start = await client.send("printer.print.start", filename="woken.gcode")
    await asyncio.sleep(0.5)
    assert "woken.gcode" not in await host.starts()
    assert not start.done()
    await host.thaw_klippy()
    assert await start == "ok"
    await host.until(host.completions, lambda found: "woken.gcode" in found)


async def test_a_print_goes_on_while_moonraker_is_down_and_its_row_stays_interrupted(
    host: MoonrakerSide, client: RpcClient
) -> None:
    await _store(host, "alone.gcode", gcode(35.0, "alone"))
    await client.call("printer.print.start", filename="alone.gcode")
    assert await _row(client, "alone.gcode") == "in_progress"
    await host.kill_moonraker()
    await host.start_moonraker()
    await host.settled()
    await host.until(host.completions, lambda found: "alone.gcode" in found)
    rows = [row for row in await host.history() if row["filename"] == "alone.gcode"]
    assert [row["status"] for row in rows] == ["interrupted"]
    assert await host.print_is("complete") == "complete"


async def test_a_klippy_killed_in_a_print_leaves_its_row_and_the_machine_lost_its_power(
    host: MoonrakerSide, client: RpcClient
) -> None:
    await _store(host, "power.gcode", gcode(200.0, "power"))
    await client.call("printer.print.start", filename="power.gcode")
    assert await _row(client, "power.gcode") == "in_progress"
    await host.kill_klippy()
    assert await _row(client, "power.gcode") == "klippy_disconnect"
    await host.start_klippy()
    await host.settled()
    assert await _physical(host, "power.gcode") in (["power lost"], ["stopped"])
    assert (await host.machine.printer(host.printer))["bed"] != []
