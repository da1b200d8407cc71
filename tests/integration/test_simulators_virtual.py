"""Virtual printers and their driver: what the driver reports is what the printer's record says."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING

import pytest

from buildplate.drivers.sdk import (
    Accepted,
    Activity,
    BadConnectionSettings,
    Deleted,
    Driver,
    DriverTimings,
    Ending,
    FileBody,
    Power,
    PowerDevice,
    PrinterOffline,
    PushKind,
    Refused,
    Run,
    Unknown,
    Watch,
    WrongContent,
)
from buildplate_sim.launch import Simulator, virtual_printers
from buildplate_sim.virtual_driver import DRIVER
from buildplate_sim.virtual_driver.client import connected, upload
from buildplate_sim.virtual_driver.config import VirtualConfig

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path
    from typing import Any

CONTENT = b"G28\nG4 S30\n"
TIMINGS = DriverTimings(request=2, command=2, transfer_idle=2, settle=0.1)


@pytest.fixture
async def farm(tmp_path: Path) -> AsyncIterator[Simulator]:
    async with virtual_printers(tmp_path, time_factor=60) as simulator:
        yield simulator


@pytest.fixture
def name(farm: Simulator) -> str:
    return str(farm.printers[0]["name"])


@pytest.fixture
async def driver(farm: Simulator) -> AsyncIterator[Driver]:
    made = DRIVER.make(farm.printers[0]["connection"], TIMINGS)
    await made.connect()
    yield made
    await made.close()


def body(content: bytes = CONTENT, sha256: str | None = None) -> FileBody:
    async def chunks() -> AsyncIterator[bytes]:
        yield content[:5]
        yield content[5:]

    return FileBody(len(content), sha256 or hashlib.sha256(content).hexdigest(), chunks)


async def intent(driver: Driver, path: str) -> Watch:
    return Watch(path, (await driver.look(None)).baseline)


async def until_over(driver: Driver, watch: Watch) -> None:
    async with asyncio.timeout(10):
        while (await driver.look(watch)).evidence.run is not Run.NONE:  # type: ignore[union-attr]
            await asyncio.sleep(0.02)


async def test_a_print_is_seen_from_its_upload_to_its_end(
    driver: Driver, farm: Simulator, name: str
) -> None:
    path = await driver.upload("bp-1-1.gcode", body())
    assert await driver.fetch_sha256(path) == hashlib.sha256(CONTENT).hexdigest()
    watch = await intent(driver, path)
    before = await driver.look(watch)
    assert before.evidence is not None
    assert (before.activity, before.evidence.silent, before.channel) == (Activity.IDLE, True, True)
    assert await driver.start(path) == Accepted()
    running = await driver.look(watch)
    assert running.evidence is not None
    assert (running.activity, running.evidence.run) == (Activity.OURS, Run.RUNNING)
    assert running.evidence.began_since
    assert not running.evidence.silent
    assert await driver.delete(path) is Deleted.IN_USE
    await until_over(driver, watch)
    over = await driver.look(watch)
    assert over.evidence is not None
    assert (over.evidence.ending, over.evidence.others_ran) == (Ending.COMPLETED, False)
    assert [await driver.delete(path), await driver.delete(path)] == [Deleted.GONE, Deleted.GONE]
    ends = await farm.admin.log(name, "end")
    assert [(end["path"], end["outcome"]) for end in ends] == [(path, "completed")]


async def test_pause_resume_and_cancel_do_as_they_say(driver: Driver) -> None:
    path = await driver.upload("bp-1-1.gcode", body())
    watch = await intent(driver, path)
    await driver.start(path)
    assert await driver.pause() == Accepted()
    paused = await driver.look(watch)
    assert paused.evidence is not None
    assert (paused.activity, paused.evidence.run) == (Activity.PAUSED, Run.PAUSED)
    assert await driver.resume() == Accepted()
    assert await driver.cancel() == Accepted()
    await until_over(driver, watch)
    over = await driver.look(watch)
    assert over.evidence is not None
    assert (over.evidence.ending, over.evidence.reason) == (Ending.FAILED, "cancelled")
    assert isinstance(await driver.cancel(), Refused)


async def test_power_devices_are_switched_but_a_locked_one_not_while_it_prints(
    driver: Driver,
) -> None:
    light, air = "Light", "Air filter"
    assert set((await driver.equipment()).power) == {
        PowerDevice(light, on=False),
        PowerDevice(air, on=True, locked=True),
    }
    assert await driver.control(Power(light, on=True)) == Accepted()
    unknown = await driver.control(Power("Lamp", on=True))
    assert isinstance(unknown, Refused)
    assert "it has Light, Air filter" in unknown.detail
    path = await driver.upload("theirs.gcode", body())
    await driver.start(path)
    locked = await driver.control(Power(air, on=False))
    assert isinstance(locked, Refused)
    assert locked.code == "locked"
    told = {device.name: device.on for device in (await driver.equipment()).power}
    assert told == {light: True, air: True}


async def test_a_person_s_print_is_foreign_even_of_our_own_leftover(
    driver: Driver, farm: Simulator, name: str
) -> None:
    path = await driver.upload("bp-1-1.gcode", body())
    other = await driver.upload("theirs.gcode", body(b"G4 S6\n"))
    watch = await intent(driver, path)
    await farm.admin.do(name, "print", path=other)
    seen = await driver.look(watch)
    assert seen.evidence is not None
    assert (seen.activity, seen.foreign_ran, seen.path) == (Activity.FOREIGN, True, other)
    assert (seen.evidence.silent, seen.evidence.others_ran) == (True, True)
    assert (await driver.start(path)) == Refused("busy", "the printer is printing")
    async with asyncio.timeout(10):
        while (await driver.look(None)).activity is not Activity.IDLE:
            await asyncio.sleep(0.02)
    await farm.admin.do(name, "print", path=path)
    leftover = await driver.look(await intent(driver, path))
    assert leftover.evidence is not None
    assert (leftover.evidence.run, leftover.evidence.began_since) == (Run.RUNNING, False)
    assert leftover.activity is Activity.FOREIGN


async def test_a_leftover_that_ran_unseen_is_told_of_as_foreign(
    driver: Driver, farm: Simulator, name: str
) -> None:
    path = await driver.upload("bp-1-1.gcode", body(b"G4 S1\n"))
    await driver.look(Watch(path))
    await farm.admin.do(name, "print", path=path)
    async with asyncio.timeout(10):
        while not await farm.admin.log(name, "end"):
            await asyncio.sleep(0.02)
    seen = await driver.look(Watch(path))
    assert (seen.activity, seen.foreign_ran) == (Activity.IDLE, True)
    assert not (await driver.look(Watch(path))).foreign_ran


async def test_pushes_tell_of_changes_and_end_with_the_connection(
    driver: Driver, farm: Simulator, name: str
) -> None:
    path = await driver.upload("bp-1-1.gcode", body())
    await driver.start(path)
    kinds: list[PushKind] = []

    async def follow() -> None:
        async for push in driver.pushes():
            kinds.append(push.kind)
            if len(kinds) == 2:
                await farm.admin.do(name, "cut")

    with pytest.raises(PrinterOffline):
        await asyncio.wait_for(follow(), 10)
    assert kinds[0] is PushKind.CHANGED


async def test_a_printer_that_was_switched_off_in_the_middle_says_so(tmp_path: Path) -> None:
    farm = await Simulator.start(["virtual", f"--state-dir={tmp_path}", "--time-factor=60"])
    driver = DRIVER.make(farm.printers[0]["connection"], TIMINGS)
    await driver.connect()
    path = await driver.upload("bp-1-1.gcode", body())
    watch = await intent(driver, path)
    await driver.start(path)
    await farm.kill()
    assert isinstance(await driver.start(path), Unknown)
    with pytest.raises(PrinterOffline):
        await driver.look(watch)
    async with virtual_printers(tmp_path):
        await driver.connect()
        seen = await driver.look(watch)
        assert seen.evidence is not None
        assert (seen.evidence.ending, seen.evidence.reason) == (Ending.FAILED, "power lost")
        await driver.close()


async def test_a_frozen_printer_answers_nothing_and_a_start_sent_to_it_comes_late(
    driver: Driver, farm: Simulator, name: str
) -> None:
    path = await driver.upload("bp-1-1.gcode", body())
    watch = await intent(driver, path)
    await farm.admin.do(name, "freeze")
    assert isinstance(await driver.start(path), Unknown)
    await farm.admin.do(name, "thaw")
    seen = await driver.look(watch)
    assert seen.evidence is not None
    assert seen.evidence.run is Run.RUNNING


async def test_a_frozen_printer_answers_no_new_client_either(farm: Simulator, name: str) -> None:
    await farm.admin.do(name, "freeze")
    new = DRIVER.make(farm.printers[0]["connection"], TIMINGS)
    try:
        with pytest.raises(PrinterOffline):
            await new.connect()
        await farm.admin.do(name, "thaw")
        await new.connect()
    finally:
        await new.close()


async def test_a_halted_printer_is_halted_until_it_is_reset(
    driver: Driver, farm: Simulator, name: str
) -> None:
    path = await driver.upload("bp-1-1.gcode", body())
    watch = await intent(driver, path)
    await driver.start(path)
    await farm.admin.do(name, "halt", reason="thermal runaway")
    await until_over(driver, watch)
    seen = await driver.look(watch)
    assert seen.evidence is not None
    assert (seen.activity, seen.evidence.ending) == (Activity.HALTED, Ending.FAILED)
    await farm.admin.do(name, "reset")
    assert (await driver.look(None)).activity is Activity.IDLE


async def test_content_that_is_not_what_was_announced_is_refused(driver: Driver) -> None:
    with pytest.raises(WrongContent):
        await driver.upload("bp-1-1.gcode", body(sha256="0" * 64))
    assert await driver.files("bp-") == []


async def test_connection_settings_are_checked() -> None:
    for wrong in ({}, {"host": "x"}, {"host": "", "port": 1}, {"host": "x", "port": True}):
        with pytest.raises(BadConnectionSettings):
            DRIVER.make(wrong, TIMINGS)


async def test_nobody_at_the_address_is_offline() -> None:
    driver = DRIVER.make({"host": "127.0.0.1", "port": 9}, TIMINGS)
    with pytest.raises(PrinterOffline):
        await driver.connect()


async def pushed_at(announced: dict[str, Any]) -> float:
    """When a printing printer has pushed its levels for the first time (the loop's clock)."""
    config = VirtualConfig.checked(announced["connection"])
    path = await upload(config, "bp-1-1.gcode", body(), 2)
    client = await connected(config, 2)
    await client.ask("watch", 2)
    await client.ask("start", 2, path=path)
    while (await client.push())["push"] != "status":
        pass
    client.close()
    return asyncio.get_running_loop().time()


@pytest.mark.parametrize(("turns", "apart_s"), [(1, 0.0), (2, 0.5)])
async def test_printers_speak_in_so_many_turns_a_second(
    tmp_path: Path, turns: int, apart_s: float
) -> None:
    more = [f"--turns={turns}"]
    async with virtual_printers(tmp_path, count=2, time_factor=1, more=more) as simulator:
        first, second = await asyncio.gather(*map(pushed_at, simulator.printers))
    distance = abs(first - second) % 1.0
    assert min(abs(distance - apart_s), 1.0 - abs(distance - apart_s)) < 0.2
