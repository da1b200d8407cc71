"""The Moonraker driver against a real Moonraker and the stand-in for its Klippy."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio

from buildplate.drivers.moonraker import DRIVER
from buildplate.drivers.sdk import (
    Accepted,
    Activity,
    AuthRequired,
    Deleted,
    DriverTimings,
    EmergencyStop,
    Ending,
    Evidence,
    ExcludeObject,
    Extrude,
    Fan,
    Gcode,
    Heat,
    Home,
    Jog,
    Levels,
    Macro,
    Pace,
    PrinterOffline,
    Reading,
    Refused,
    Run,
    ShiftZ,
    Speaker,
    Unknown,
    Watch,
)
from tests.integration import test_octoprint_driver as octoprint
from tests.integration.moonraker_host import MoonrakerHost, gcode, moonraker_host
from tests.integration.test_octoprint_driver import ending, run

pytestmark = [
    pytest.mark.needs_moonraker,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(120),
]
FACTOR = 5.0
"""The machine's time; what Moonraker and the pushes take is real time."""

TIMINGS = DriverTimings(request=5, command=8, transfer_idle=10, settle=2)
IMPATIENT = replace(TIMINGS, command=0.6)


class Line(octoprint.Line):
    """A connected driver whose pushes are read."""

    async def intent(self, path: str) -> Watch:
        """What an intent does: a fresh idle reading with a ripe channel, kept as plain JSON."""
        reading = await self.until(
            Watch(path), lambda seen: seen.activity is Activity.IDLE and seen.channel
        )
        return Watch(path, json.loads(json.dumps(dict(reading.baseline))))

    async def begin(self, seconds: float) -> Watch:
        """Store a file, make an intent, start it and see it run."""
        watch = await self.intent(await self.store(part(seconds)))
        assert await self.driver.start(watch.path) == Accepted()
        await self.until(watch, lambda seen: run(seen) is Run.RUNNING)
        return watch

    def console(self) -> list[str]:
        return [line.text for push in self.pushes for line in push.console]

    def levels(self) -> Levels:
        return next(push.levels for push in reversed(self.pushes) if push.levels is not None)


def part(seconds: float) -> bytes:
    """A file that takes about so many real seconds and is never the same twice."""
    return gcode(seconds * FACTOR, salt=str(time.monotonic_ns()))


def proof(reading: Reading) -> Evidence:
    assert reading.evidence is not None
    return reading.evidence


@asynccontextmanager
async def line(
    connection: Mapping[str, Any], timings: DriverTimings = TIMINGS, *, wake: bool = False
) -> AsyncIterator[Line]:
    driver = DRIVER.make(connection, timings)
    try:
        async with asyncio.timeout(20):
            await driver.connect(wake=wake)
        joined = Line(driver)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(joined.read_on())
            yield joined
            await driver.close()
    finally:
        await driver.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[MoonrakerHost]:
    async with moonraker_host(tmp_path_factory.mktemp("m"), time_factor=FACTOR) as host:
        yield host


@pytest_asyncio.fixture(loop_scope="module")
async def host(running: MoonrakerHost) -> MoonrakerHost:
    """The module's pair, with a ready machine that does nothing, and a clear bed."""
    if (await running.machine.printer("klippy"))["state"] != "ready":
        await running.trusted_call("printer.firmware_restart")
        await running.settled()
    await running.machine.clear_rules("klippy")
    await running.trusted_call("printer.gcode.script", script="CANCEL_PRINT\nM400")
    await running.machine.do("klippy", "clear-bed")
    return running


@pytest_asyncio.fixture(loop_scope="module")
async def joined(host: MoonrakerHost) -> AsyncIterator[Line]:
    async with line(host.connection) as made:
        yield made


# --- a print ---------------------------------------------------------------------------------


async def test_a_print_is_proven_from_its_start_to_its_end(
    host: MoonrakerHost, joined: Line
) -> None:
    watch = await joined.begin(1)
    seen = await joined.driver.look(watch)
    assert (seen.activity, seen.path, proof(seen).doubt) == (Activity.OURS, watch.path, None)
    ended = await joined.ends(watch)
    assert (ending(ended), proof(ended).doubt, proof(ended).others_ran) == (
        Ending.COMPLETED,
        None,
        False,
    )
    assert not ended.foreign_ran
    assert (await host.completions()).count(watch.path) == 1


async def test_parsed_is_not_printed(host: MoonrakerHost, joined: Line) -> None:
    """The last line is read long before its move is made: until then the print runs."""
    content = part(0.2).replace(b"M400\n", b"") + b"G1 X150 F600\n"
    watch = await joined.intent(await joined.store(content))
    assert await joined.driver.start(watch.path) == Accepted()
    await host.print_is("complete")
    moving = await joined.driver.look(watch)
    assert (run(moving), ending(moving), moving.activity) == (Run.RUNNING, None, Activity.OURS)
    assert moving.detail == "making its last moves"
    ended = await joined.ends(watch)
    assert ending(ended) is Ending.COMPLETED
    status = await host.status("toolhead")
    assert status["toolhead"]["position"][0] == pytest.approx(150)


async def test_pause_resume_and_cancel_are_obeyed_and_seen(joined: Line) -> None:
    watch = await joined.begin(10)
    assert await joined.driver.pause() == Accepted()
    paused = await joined.until(watch, lambda seen: run(seen) is Run.PAUSED)
    assert paused.activity is Activity.PAUSED
    assert isinstance(await joined.driver.pause(), Refused)
    assert await joined.driver.resume() == Accepted()
    await joined.until(watch, lambda seen: run(seen) is Run.RUNNING)
    assert isinstance(await joined.driver.resume(), Refused)
    assert await joined.driver.cancel() == Accepted()
    ended = await joined.ends(watch)
    assert (ending(ended), proof(ended).reason) == (
        Ending.FAILED,
        "it was cancelled on the printer",
    )
    for order in (joined.driver.cancel, joined.driver.pause, joined.driver.resume):
        assert isinstance(await order(), Refused)


async def test_a_person_s_print_is_foreign_and_spoils_no_silence_of_ours(
    host: MoonrakerHost, joined: Line
) -> None:
    path, other = await joined.store(part(1)), await joined.store(part(0.6))
    watch = await joined.intent(path)
    await host.machine.do("klippy", "print", path=other)
    seen = await joined.until(watch, lambda seen: seen.activity is Activity.FOREIGN)
    assert seen.path == other
    after = await joined.until(watch, lambda seen: seen.activity is Activity.IDLE)
    assert (proof(after).silent, proof(after).others_ran) == (True, True)


# --- what never started ----------------------------------------------------------------------


async def test_silence_holds_through_barrier_and_delete(joined: Line) -> None:
    watch = await joined.intent(await joined.store(part(1)))
    await joined.driver.barrier()
    assert proof(await joined.driver.look(watch)).silent
    assert await joined.driver.delete(watch.path) is Deleted.GONE
    await joined.driver.barrier()
    found = proof(await joined.driver.look(watch))
    assert (found.silent, found.others_ran, found.doubt) == (True, False, None)
    assert "// FIRMWARE_NAME" in "\n".join(joined.console())


async def test_a_young_channel_vouches_for_nothing(host: MoonrakerHost) -> None:
    async with line(host.connection, replace(TIMINGS, settle=5)) as young:
        reading = await young.driver.look(Watch("bp-x-1.gcode"))
        assert (reading.activity, reading.channel) == (Activity.BUSY, False)
        kept = Watch("bp-x-1.gcode", dict(reading.baseline))
        before = len(young.pushes)
        await young.until(None, lambda seen: seen.channel)
        assert not proof(await young.driver.look(kept)).silent
        told = [push for push in young.pushes[before:] if push.kind == "changed"]
        assert told, "it says so when it is old enough"


async def test_a_start_behind_a_long_command_waits_there_and_blocks_nothing_else(
    host: MoonrakerHost,
) -> None:
    async with line(host.connection, IMPATIENT) as joined:
        watch = await joined.intent(await joined.store(part(0.5)))
        await host.machine.do("klippy", "hold", seconds=2.5 * FACTOR)
        began = time.monotonic()
        assert isinstance(await joined.driver.start(watch.path), Unknown)
        with pytest.raises(PrinterOffline):
            await joined.driver.barrier()
        reading = await joined.driver.look(watch)
        assert time.monotonic() - began < 2.4, "reads do not wait behind it"
        assert (reading.activity, run(reading)) == (Activity.BUSY, Run.NONE)
        assert (await joined.ends(watch)).evidence is not None
        assert (await host.starts()).count(watch.path) == 1


async def test_a_late_answer_to_a_start_is_remembered(host: MoonrakerHost) -> None:
    """Accepted after all, and then cut off: it is not called silent."""
    async with line(host.connection, IMPATIENT) as joined:
        watch = await joined.intent(await joined.store(part(30)))
        await host.machine.do("klippy", "hold", seconds=1.5 * FACTOR)
        assert isinstance(await joined.driver.start(watch.path), Unknown)
        await joined.until(watch, lambda seen: "answered" in str(proof(seen).facts["heard"]))
        assert not proof(await joined.driver.look(watch)).silent


# --- deletes ---------------------------------------------------------------------------------


async def test_a_file_that_just_began_is_in_use_although_moonraker_deletes_it(
    host: MoonrakerHost, joined: Line
) -> None:
    content = part(1.5)
    watch = await joined.intent(await joined.store(content))
    assert await joined.driver.start(watch.path) == Accepted()
    assert await joined.driver.delete(watch.path) is Deleted.IN_USE
    assert (host.gcodes / watch.path).exists()
    ended = await joined.ends(watch)
    assert ending(ended) is Ending.COMPLETED
    assert await joined.driver.delete(watch.path) is Deleted.GONE
    assert await joined.driver.delete(watch.path) is Deleted.GONE
    assert await joined.driver.files("bp-") == [] or watch.path not in await joined.driver.files("")


# --- Klippy stops ----------------------------------------------------------------------------


async def test_a_shutdown_mid_print_fails_it_in_klipper_s_own_words(
    host: MoonrakerHost, joined: Line
) -> None:
    watch = await joined.begin(10)
    await host.machine.do("klippy", "fail")
    ended = await joined.ends(watch)
    assert (ended.activity, ending(ended)) == (Activity.HALTED, Ending.FAILED)
    assert "not heating at expected rate" in ended.detail
    assert proof(ended).reason == "Klipper shut down in the middle of it"
    await joined.driver.barrier()
    assert not ended.channel


async def test_an_emergency_stop_passes_everything_queued(host: MoonrakerHost) -> None:
    async with line(host.connection, replace(TIMINGS, command=20)) as joined:
        watch = await joined.intent(await joined.store(part(5)))
        await host.machine.do("klippy", "hold", seconds=60 * FACTOR)
        async with asyncio.TaskGroup() as tasks:
            start = tasks.create_task(joined.driver.start(watch.path))
            barrier = tasks.create_task(_outcome(joined.driver.barrier()))
            await asyncio.sleep(0.4)
            began = time.monotonic()
            assert await joined.driver.control(EmergencyStop()) == Accepted()
            assert time.monotonic() - began < 1
        assert not isinstance(start.result(), Accepted), "what was cut off proves nothing"
        assert barrier.result() is not None
        seen = await joined.until(watch, lambda seen: seen.activity is Activity.HALTED)
        assert run(seen) is Run.NONE
        assert watch.path not in await host.starts()


async def _outcome(call: Any) -> Exception | None:
    try:
        await call
    except Exception as error:  # noqa: BLE001 (the test looks at it)
        return error
    return None


async def test_a_person_wakes_a_machine_that_has_shut_down(host: MoonrakerHost) -> None:
    await host.machine.do("klippy", "halt")
    await host.klippy_is("shutdown")
    async with line(host.connection) as asleep:
        assert (await asleep.driver.look(None)).activity is Activity.HALTED
    async with line(host.connection, wake=True) as awake:
        await awake.until(None, lambda seen: seen.activity is Activity.IDLE)
        await awake.until(None, lambda seen: seen.channel)


async def test_after_a_restart_klippy_is_listened_to_again(
    host: MoonrakerHost, joined: Line
) -> None:
    watch = await joined.intent(await joined.store(part(0.5)))
    await host.machine.do("klippy", "restart")
    seen = await joined.until(
        watch, lambda seen: seen.activity is Activity.IDLE and seen.channel, limit=20
    )
    assert (proof(seen).silent, proof(seen).others_ran) == (False, True), "nobody can tell"
    again = await joined.begin(0.6)
    assert ending(await joined.ends(again)) is Ending.COMPLETED
    assert joined.lost is None


async def test_klippy_killed_mid_print_leaves_a_row_and_comes_back(
    host: MoonrakerHost, joined: Line
) -> None:
    watch = await joined.begin(10)
    await host.kill_klippy()
    away = await joined.until(watch, lambda seen: seen.activity is Activity.UNKNOWN)
    assert "connect" in away.detail.casefold()
    assert isinstance(await joined.driver.start(watch.path), Refused | Unknown)
    with pytest.raises(PrinterOffline):
        await joined.driver.barrier()
    await host.start_klippy()
    await host.settled()
    back = await joined.until(watch, lambda seen: seen.activity is Activity.IDLE)
    assert (ending(back), proof(back).reason) == (
        Ending.FAILED,
        "Klipper went away in the middle of it",
    )
    assert joined.lost is None


# --- Moonraker stops -------------------------------------------------------------------------


async def test_a_print_that_ended_while_nobody_listened_is_read_from_the_history(
    host: MoonrakerHost,
) -> None:
    async with line(host.connection) as first:
        watch = await first.intent(await first.store(part(0.6)))
        assert await first.driver.start(watch.path) == Accepted()
    await host.print_is("complete")
    await host.trusted_call("printer.gcode.script", script="SDCARD_RESET_FILE")
    async with line(host.connection) as second:
        ended = await second.ends(watch)
        assert (ending(ended), proof(ended).others_ran) == (Ending.COMPLETED, True)


async def test_a_print_lives_on_through_a_restart_of_moonraker(host: MoonrakerHost) -> None:
    async with line(host.connection) as first:
        watch = await first.begin(1)
        assert await first.driver.pause() == Accepted()
        await host.restart_moonraker()
        assert isinstance(await first.ends_itself(), PrinterOffline)
    row = next(job for job in await host.history() if job["filename"] == watch.path)
    assert row["status"] in ("server_exit", "interrupted")
    async with line(host.connection) as second:
        seen = await second.driver.look(watch)
        assert (run(seen), seen.activity, proof(seen).doubt) == (Run.PAUSED, Activity.PAUSED, None)
        assert await second.driver.resume() == Accepted()
        assert ending(await second.ends(watch)) is Ending.COMPLETED


async def test_a_print_that_ended_without_moonraker_is_read_in_print_stats_else_doubted(
    host: MoonrakerHost,
) -> None:
    async with line(host.connection) as first:
        watch = await first.begin(1.5)
        await host.until(host.history, lambda jobs: jobs[0]["filename"] == watch.path)
        await host.kill_moonraker()
    await asyncio.sleep(1)
    await host.start_moonraker()
    await host.settled()
    async with line(host.connection) as second:
        assert ending(await second.ends(watch)) is Ending.COMPLETED
        await host.trusted_call("printer.gcode.script", script="SDCARD_RESET_FILE")
        gone = await second.until(watch, lambda seen: not proof(seen).current)
        assert proof(gone).ended is None
        assert proof(gone).doubt is not None


async def test_a_revoked_key_is_asked_for_again(host: MoonrakerHost) -> None:
    old = dict(host.connection)
    async with line(old) as joined:
        path = await joined.store(part(0.2))
        await host.new_key()
        with pytest.raises(AuthRequired):
            await joined.store(part(0.2))
        assert path in await joined.driver.files("bp-")
    driver = DRIVER.make(old, TIMINGS)
    with pytest.raises(AuthRequired, match="refuses the API key"):
        await driver.connect()
    await driver.close()
    without = DRIVER.make({"url": host.url}, TIMINGS)
    with pytest.raises(AuthRequired, match="wants an API key"):
        await without.connect()
    await without.close()
    async with line(host.connection) as again:
        await again.until(None, lambda seen: seen.activity is Activity.IDLE)


# --- the panel -------------------------------------------------------------------------------


async def test_the_controls_of_a_panel_reach_the_machine(host: MoonrakerHost, joined: Line) -> None:
    tell = joined.driver.control
    assert await tell(Jog({"x": 1})) == Accepted() or await tell(Home()) == Accepted()
    assert await tell(Home()) == Accepted()
    for order in (
        Jog({"x": 20, "z": 5}),
        Heat("bed", 40),
        Fan(0.5),
        Pace(speed=1.25, flow=0.9),
        ShiftZ(0.1),
    ):
        assert await tell(order) == Accepted(), order
    assert isinstance(await tell(Extrude(5)), Refused), "a cold nozzle extrudes nothing"
    assert await tell(Gcode(("M117 hello", "NO_SUCH_COMMAND"))) == Accepted()
    assert await tell(Macro("PRINT_START", {"BED": "60", "TOOL": "0"})) == Accepted()
    assert isinstance(await tell(Macro("NO_SUCH_MACRO")), Refused)
    assert isinstance(await tell(ExcludeObject("no-such-object")), Accepted | Refused)
    status = await host.status("gcode_move", "heater_bed", "fan", "toolhead")
    assert status["gcode_move"]["absolute_coordinates"], "a jog leaves no relative mode behind"
    assert status["heater_bed"]["target"] in (40, 60)
    assert status["fan"]["speed"] == pytest.approx(0.5, abs=0.01)
    await joined.until(None, lambda _: joined.levels().speed == 1.25)
    levels = joined.levels()
    assert (levels.homed, levels.flow) == ("xyz", 0.9)
    assert levels.z_offset == pytest.approx(0.1)
    assert levels.fans["part"] == pytest.approx(0.5, abs=0.01)
    said = [line for push in joined.pushes for line in push.console]
    assert any(one.speaker is Speaker.SENT and one.text == "NO_SUCH_COMMAND" for one in said)
    assert any("Unknown command" in one.text for one in said if one.speaker is Speaker.PRINTER)
    await tell(Heat("bed", 0))


async def test_temperatures_come_at_least_once_a_second(joined: Line) -> None:
    joined.pushes.clear()
    await asyncio.sleep(3)
    warm = [push for push in joined.pushes if {"tool0", "bed"} <= push.temperatures.keys()]
    assert len(warm) >= 3
    assert len(joined.pushes) < 20, "and at a bounded rate"


async def test_the_equipment_is_what_moonraker_tells(host: MoonrakerHost, joined: Line) -> None:
    await host.trusted_call(
        "server.webcams.post_item", name="top", service="mjpegstreamer", stream_url="/webcam/"
    )
    found = await joined.driver.equipment()
    assert "PRINT_START" in found.macros
    assert [camera.name for camera in found.cameras] == ["top"]
    assert found.power == ()
    assert {"FIRMWARE_RESTART", "PAUSE"} <= {one.command for one in found.suggestions}


async def test_moonraker_s_own_queue_is_warned_of(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("q")
    more = "[job_queue]\nautomatic_transition: True\n"
    async with moonraker_host(folder, time_factor=FACTOR, trusted=True, more=more) as host:
        driver = DRIVER.make({"url": host.url}, TIMINGS)
        identity = await driver.connect()
        await driver.close()
    assert identity.software == "Moonraker"
    assert "Klipper" in identity.version
    assert "job queue" in identity.warnings[0]
