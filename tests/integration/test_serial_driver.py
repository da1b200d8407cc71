"""A print over a serial line, asserted from what the simulated board accepted and did."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from buildplate.drivers.marlin.errors import PortLost
from buildplate.drivers.sdk import (
    Accepted,
    Activity,
    EmergencyStop,
    Ending,
    Fan,
    Gcode,
    Heat,
    Home,
    Pace,
    Refused,
    Run,
    ShiftZ,
    Watch,
)
from buildplate_sim.launch import Simulator, firmware_printers
from tests.integration.serial_printer import Held, codes, held, moves

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(60)]
FACTOR = 20.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def simulator(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Simulator]:
    folder = tmp_path_factory.mktemp("boards")
    more = ["--cold", "--no-reset-on-open", "--no-thermal-protection"]
    async with firmware_printers(folder, time_factor=FACTOR, more=more) as running:
        yield running


async def accepted_since(one: Held, before: int) -> list[str]:
    return [str(entry["text"]) for entry in await one.record(before) if "text" in entry]


async def test_a_whole_print_is_accepted_line_by_line(simulator: Simulator, tmp_path: Path) -> None:
    content = moves(40, first=["G28"])
    async with held(simulator, tmp_path) as one:
        before = len(await one.record())
        watch = await one.begin(content)
        reading = await one.ended(watch)
        assert reading.evidence is not None
        assert reading.evidence.ending is Ending.COMPLETED
        sent = await accepted_since(one, before)
        first = sent.index("G28")
        assert [line for line in sent[first:] if line in set(codes(content))] == codes(content)
        assert (await one.truth())["still"]


async def test_pause_parks_and_resume_goes_on_where_it_was(
    simulator: Simulator, tmp_path: Path
) -> None:
    content = moves(120, first=["G28", "M140 S50", "M104 S60"])
    settings: dict[str, Any] = {
        "pause_park": "5 180",
        "pause_lift_mm": 10.0,
        "pause_retract_mm": 3.0,
    }
    async with held(simulator, tmp_path, **settings) as one:
        watch = await one.begin(content)
        await one.at_line(watch, 40)
        assert await one.driver.pause() == Accepted()
        await one.until(watch, lambda r: r.activity is Activity.PAUSED)
        parked, line = await one.truth(), one.driver._line
        assert line is not None
        assert line.printing is not None
        at = line.printing.line
        move = at - codes_before(content)
        assert parked["position"]["x"] == pytest.approx(5)
        assert parked["position"]["y"] == pytest.approx(180)
        assert parked["position"]["z"] == pytest.approx(10)
        assert parked["heaters"]["bed"]["target"] == 50
        assert parked["heaters"]["tool0"]["target"] == 60
        before = len(await one.record())
        assert await one.driver.resume() == Accepted()
        await one.at_line(watch, at + 5)
        sent = await accepted_since(one, before)
        back = sent.index(f"G92 E{move}")
        following = [text for text in sent[back:] if text.startswith("G1 X")]
        assert following[0] == f"G1 X{100 * ((move + 1) % 2)} Y{(move + 1) % 50} E{move + 1} F6000"
        restored = sent[: back + 4]
        assert f"G0 X{100 * (move % 2)} Y{move % 50} F6000" in restored
        assert restored[-3:] == ["G1 F6000", "G90", "M82"]
        assert (await one.ended(watch)).activity is Activity.IDLE
        truth = await one.truth()
        assert truth["position"]["e"] == pytest.approx(120)
        assert truth["position"]["z"] == pytest.approx(0)


def codes_before(content: bytes) -> int:
    """Lines of the file before its first move."""
    return next(
        number for number, line in enumerate(content.splitlines()) if line.startswith(b"G1 X")
    )


async def test_heaters_off_in_a_pause_are_heated_again(
    simulator: Simulator, tmp_path: Path
) -> None:
    content = moves(150, first=["M104 S60"])
    async with held(simulator, tmp_path, pause_heaters="off") as one:
        watch = await one.begin(content)
        await one.until(watch, lambda _: heated(one))
        await one.at_line(watch, 20)
        await one.driver.pause()
        await one.until(watch, lambda r: r.activity is Activity.PAUSED)
        assert (await one.truth())["heaters"]["tool0"]["target"] == 0
        before = len(await one.record())
        await one.driver.resume()
        await one.until(watch, lambda r: r.activity is Activity.OURS)
        assert "M109 T0 S60" in await accepted_since(one, before)
        assert await one.driver.cancel() == Accepted()


async def test_a_reset_in_mid_print_fails_it_and_nothing_is_taken_up(
    simulator: Simulator, tmp_path: Path
) -> None:
    async with held(simulator, tmp_path) as one:
        watch = await one.begin(moves(200))
        await one.at_line(watch, 20)
        before = len(await one.record())
        await one.simulator.admin.do(one.name, "reset")
        reading = await one.ended(watch)
        assert reading.evidence is not None
        assert reading.evidence.ending is Ending.FAILED
        assert reading.evidence.doubt is None
        assert "reset" in reading.evidence.reason
        assert "last accepted line is" in reading.evidence.reason
        await one.until(watch, lambda r: r.activity is Activity.IDLE)
        booted = (await one.record(before))[1:]
        assert not [e for e in booted if str(e.get("text", "")).startswith("G1 X")]


@pytest.mark.parametrize("line", [1, 3, 5])
async def test_a_reset_that_nothing_tells_of_is_known_from_the_first_lines_on(
    simulator: Simulator, tmp_path: Path, line: int
) -> None:
    """The power dips, and what the board says as it starts is lost on its way."""
    async with held(simulator, tmp_path) as one:
        before = len(await one.record())
        await one.simulator.admin.rule(one.name, "line", "reset", path=f"N* G1 X* E{line} *")
        for said in ("start*", "PowerUp*", "External*", "Marlin*", "echo:*"):
            await one.simulator.admin.rule(one.name, "reply", "drop", path=said, times=9)
        try:
            watch = await one.begin(moves(60, first=["M117 a", "M117 b"]))
            reading = await one.ended(watch)
        finally:
            await one.simulator.admin.clear_rules(one.name)
        assert reading.evidence is not None
        assert reading.evidence.ending is Ending.FAILED
        assert "the printer was reset" in reading.evidence.reason
        record = await one.record(before)
        booted = next(at for at, e in enumerate(record) if "boot" in str(e.get("remark")))
        later = [str(entry.get("text", "")) for entry in record[booted:]]
        assert not [text for text in later if text.startswith(("M117", "G1 X"))]


async def test_an_unplugged_printer_fails_its_print_and_is_found_again(
    simulator: Simulator, tmp_path: Path
) -> None:
    async with held(simulator, tmp_path) as one:
        watch = await one.begin(moves(200))
        await one.at_line(watch, 20)
        await one.simulator.admin.do(one.name, "unplug", seconds=20)
        async with asyncio.timeout(10):
            while one.lost is None:
                await asyncio.sleep(0.01)
        assert isinstance(one.lost, PortLost)
        with pytest.raises(PortLost):
            await one.driver.look(watch)
    await asyncio.sleep(20 / FACTOR + 0.3)
    async with held(simulator, tmp_path) as one:
        reading = await one.ended(watch)
        assert reading.evidence is not None
        assert reading.evidence.ending is Ending.FAILED


async def killed_while_streaming(
    simulator: Simulator, tmp_path: Path, content: bytes, after: str
) -> None:
    file = tmp_path / "print.gcode"
    file.write_bytes(content)
    port = str(simulator.printers[0]["port"])
    command = ["-m", "tests.integration.serial_crash", port, str(tmp_path / "notes"), str(file)]
    child = await asyncio.create_subprocess_exec(
        sys.executable, *command, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert child.stdout is not None
        assert b"Accepted" in await asyncio.wait_for(child.stdout.readline(), 20)
        admin, name = simulator.admin, str(simulator.printers[0]["name"])
        async with asyncio.timeout(20):
            while not any(after == e.get("text") for e in (await admin.accepted(name))[-60:]):
                await asyncio.sleep(0.02)
    finally:
        child.kill()
        await child.wait()


async def test_a_killed_process_leaves_a_failed_print_and_heaters_go_off_first(
    simulator: Simulator, tmp_path: Path
) -> None:
    content = moves(300, first=["M117 killed soon", "M104 S60"])
    after = codes(content)[30]
    await killed_while_streaming(simulator, tmp_path, content, after)
    await asyncio.sleep(0.1)
    before = len(await simulator.admin.accepted(str(simulator.printers[0]["name"])))
    async with held(simulator, tmp_path / "notes") as one:
        reading = await one.driver.look(Watch("bp-1-1.gcode", fresh(one)))
        assert reading.evidence is not None
        assert reading.evidence.ended is Ending.FAILED
        assert reading.evidence.run is Run.NONE
        assert "accepted: line 3" in reading.evidence.reason
        sent = [text for text in await accepted_since(one, before) if text[:2] != "G1"]
        assert sent[:2] == ["M104 S0", "M140 S0"], "before anything else"
        assert (await one.truth())["heaters"]["tool0"]["target"] == 0


async def test_killed_during_the_last_moves_is_a_doubt(
    simulator: Simulator, tmp_path: Path
) -> None:
    content = moves(40, last=["G4 S60"])
    await killed_while_streaming(simulator, tmp_path, content, codes(content)[-4])
    async with held(simulator, tmp_path / "notes") as one:
        reading = await one.driver.look(Watch("bp-1-1.gcode", fresh(one)))
        assert reading.evidence is not None
        assert reading.evidence.ended is None, "it may have been printed to its end"
        assert "last moves" in str(reading.evidence.doubt)
        assert not reading.evidence.silent


def fresh(one: Held) -> dict[str, object]:
    """The baseline that the killed process's intent had stored."""
    notes = one.driver._notes
    assert notes is not None
    return {"store": notes.store, "last_run": 0}


async def test_without_the_right_to_command_no_further_block_goes_out(
    simulator: Simulator, tmp_path: Path
) -> None:
    rights = [True]
    content = moves(300)
    async with held(simulator, tmp_path, lambda: rights[0]) as one:
        watch = await one.begin(content)
        rights[0] = False
        await one.until(watch, lambda r: "held back" in r.detail, 2)
        await asyncio.sleep(5 / FACTOR + 0.2)  # what is under way is done by then
        stopped = (await one.truth())["last_line"]
        await asyncio.sleep(0.5)
        assert (await one.truth())["last_line"] <= stopped + 1, "a question at most"
        rights[0] = True
        await one.until(watch, lambda r: "held back" not in r.detail)
        await asyncio.sleep(0.3)
        assert (await one.truth())["last_line"] > stopped + 3
        assert await one.driver.cancel() == Accepted()


async def test_a_stalled_loop_does_not_starve_the_planner(
    simulator: Simulator, tmp_path: Path
) -> None:
    async with held(simulator, tmp_path) as one:
        watch = await one.begin(moves(150))
        await one.at_line(watch, 30)
        before = await one.truth()
        time.sleep(1.5)  # noqa: ASYNC251, TID251 (the loop is stalled on purpose)
        after = await one.truth()
        assert after["moves"] - before["moves"] > 15
        assert after["starved"] == before["starved"]
        assert await one.driver.cancel() == Accepted()


async def test_orders_of_people_reach_the_line_at_once_while_it_streams(
    simulator: Simulator, tmp_path: Path
) -> None:
    async with held(simulator, tmp_path) as one:
        watch = await one.begin(moves(400))
        await one.at_line(watch, 30)
        written: list[float] = []
        line = one.driver._line
        assert line is not None
        assert line._port is not None
        plain = line._port.write

        def noted(data: bytes) -> None:
            plain(data)
            if b"M220" in data:
                written.append(time.monotonic())

        line._port.write = noted  # type: ignore[method-assign]
        took = []
        for number in range(60):
            asked, already = time.monotonic(), len(written)
            await one.driver.control(Pace(speed=1.0 + number / 1000))
            assert len(written) > already
            took.append(written[already] - asked)
        took.sort()
        print(f"order to line: p50 {took[30] * 1000:.1f} ms, worst {took[-1] * 1000:.1f} ms")
        assert took[-1] <= 0.1
        assert isinstance(await one.driver.control(Home()), Refused), "a print has the head"
        assert isinstance(await one.driver.control(Heat("tool0", 301)), Refused)
        assert isinstance(await one.driver.control(Gcode(("M140 S900",))), Refused)
        for order in (Heat("bed", 40), Fan(0.5), ShiftZ(0.05), Gcode(("M117 hello",))):
            assert await one.driver.control(order) == Accepted()
        truth = await one.truth()
        assert truth["heaters"]["bed"]["target"] == 40
        assert truth["fan"]["0"] == pytest.approx(0.5, abs=0.01)
        assert truth["baby_z"] == pytest.approx(0.05)
        await one.driver.cancel()


async def test_temperatures_come_each_second_and_are_true(tmp_path: Path) -> None:
    """In the board's own time: within 1 °C of its sensors, the bed also before the next report."""
    more = ["--no-reset-on-open"]
    async with (
        firmware_printers(tmp_path / "board", time_factor=1.0, more=more) as simulator,
        held(simulator, tmp_path) as one,
    ):
        for order in (Heat("bed", 60), Heat("tool0", 200)):
            assert await one.driver.control(order) == Accepted()
        one.temperatures.clear()
        reports, off, truth = 0, list[float](), dict[str, Any]()
        until = time.monotonic() + 3.3
        while time.monotonic() < until:
            await asyncio.sleep(0.05)
            if not one.temperatures:
                continue
            fresh, shown = len(one.temperatures) > reports, one.temperatures[-1]
            reports = len(one.temperatures)
            truth = (await one.truth())["heaters"]
            off.append(abs(shown["bed"].actual - truth["bed"]["reading"]))
            if fresh:  # a nozzle gains more than 1 °C until the next report
                off.append(abs(shown["tool0"].actual - truth["tool0"]["reading"]))
        assert reports >= 3, "once a second"
        print(f"{reports} reports, at most {max(off):.2f} °C off")
        assert max(off) <= 1.0
        assert truth["tool0"]["actual"] > 25, "it did heat"


async def test_a_print_over_rfc_2217_at_a_speed_that_is_set_from_afar(tmp_path: Path) -> None:
    # A byte that a Telnet engine would take for a word of its own, were it not said twice.
    content = b"M117 \xff\xfa a\nM118 b\xffc\n" + moves(25, first=["G28"])
    more = ["--cold", "--no-thermal-protection"]
    async with (
        firmware_printers(
            tmp_path / "board", link="rfc2217", baud=250000, time_factor=FACTOR, more=more
        ) as simulator,
        held(simulator, tmp_path, baud=250000) as one,
    ):
        assert str(simulator.printers[0]["port"]).startswith("rfc2217://")
        assert (await one.truth())["host_baud"] == 250000
        before = len(await one.record())
        watch = await one.begin(content)
        await one.at_line(watch, 8)
        assert await one.driver.pause() == Accepted()
        await one.until(watch, lambda r: r.activity is Activity.PAUSED)
        assert await one.driver.resume() == Accepted()
        evidence = (await one.ended(watch)).evidence
        assert evidence is not None
        assert evidence.ending is Ending.COMPLETED
        accepted = await accepted_since(one, before)
        assert b"M117 \xff\xfa a".decode("latin-1") in accepted
        assert "b\N{REPLACEMENT CHARACTER}c" in [line.text for line in one.console]
        known = {code for code in codes(moves(25)) if code.startswith("G1 X")}
        sent = [text for text in accepted if text in known]
        assert sent == [code for code in codes(moves(25)) if code in known]


@pytest.mark.parametrize(("remedy", "left"), [("pause", "paused"), ("stop", "halted")])
async def test_the_thermal_watch_acts_on_a_heater_that_cools_down(
    simulator: Simulator, tmp_path: Path, remedy: str, left: str
) -> None:
    settings: dict[str, Any] = {
        "watch_action": remedy,
        "watch_deviation_s": 0.5,
        "watch_deviation_c": 10.0,
    }
    async with held(simulator, tmp_path, **settings) as one:
        watch = await one.begin(moves(600, first=["M104 S60"]))
        try:
            await one.until(watch, lambda _: hot(one))
            await one.simulator.admin.do(one.name, "heater", heater="tool0", fault="failed")
            await one.until(watch, lambda r: str(r.activity) == left)
            assert any("thermal watch" in text for text in one.texts)
            assert (await one.truth())["heaters"]["tool0"]["target"] == 0
        finally:
            await one.simulator.admin.do(one.name, "heater", heater="tool0", fault="none")
            await one.simulator.admin.do(one.name, "reset")
            await asyncio.sleep(0.3)


def heated(one: Held) -> bool:
    line = one.driver._line
    return bool(line and line.facts.targets())


def hot(one: Held) -> bool:
    line = one.driver._line
    reading = line.facts.heaters.get("tool0") if line else None
    return reading is not None and reading.actual > 56


async def test_an_emergency_stop_is_on_the_line_at_once(
    simulator: Simulator, tmp_path: Path
) -> None:
    async with held(simulator, tmp_path) as one:
        watch = await one.begin(moves(200))
        await one.at_line(watch, 20)
        line = one.driver._line
        assert line is not None
        assert line._port is not None
        plain, written = line._port.urgent, []

        def noted(data: bytes) -> bool:
            went = plain(data)
            written.append(time.monotonic())
            return went

        line._port.urgent = noted  # type: ignore[method-assign]
        asked = time.monotonic()
        assert await one.driver.control(EmergencyStop()) == Accepted()
        print(f"M112 on the line after {(written[0] - asked) * 1000:.2f} ms")
        assert written[0] - asked <= 0.02
        reading = await one.ended(watch)
        assert reading.activity is Activity.HALTED
        assert reading.evidence is not None
        assert reading.evidence.ending is Ending.FAILED
        assert (await one.truth())["state"] == "killed"
        await one.simulator.admin.do(one.name, "reset")
        await one.until(watch, lambda r: r.activity is Activity.IDLE)
