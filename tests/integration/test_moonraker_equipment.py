"""What a real Moonraker switches, and what it knows of the file in print, through the driver."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from buildplate.drivers.sdk import (
    Accepted,
    Activity,
    FileTeller,
    HostFile,
    Power,
    PowerDevice,
    Refused,
    Unknown,
)
from tests.gcode_samples import png, square_tower, thumbnail_block
from tests.integration.moonraker_host import MoonrakerHost, gcode, moonraker_host
from tests.integration.power_plug import Plug, plug
from tests.integration.test_moonraker_driver import FACTOR, Line, line

pytestmark = [
    pytest.mark.needs_moonraker,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(120),
]
PICTURE = png(220, 124)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def plugs() -> AsyncIterator[tuple[Plug, Plug]]:
    async with plug() as mains, plug() as light:
        yield mains, light


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(
    plugs: tuple[Plug, Plug], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[MoonrakerHost]:
    mains, light = plugs
    more = mains.section("mains", "locked_while_printing: True") + light.section("light")
    async with moonraker_host(tmp_path_factory.mktemp("m"), time_factor=FACTOR, more=more) as host:
        yield host


@pytest_asyncio.fixture(loop_scope="module")
async def host(running: MoonrakerHost, plugs: tuple[Plug, Plug]) -> MoonrakerHost:
    """A machine that does nothing, with both plugs on."""
    await running.trusted_call("printer.gcode.script", script="CANCEL_PRINT\nM400")
    await running.machine.do("klippy", "clear-bed")
    for one in plugs:
        one.on, one.stuck, one.dead = True, False, False
        one.asked.clear()
    return running


@pytest_asyncio.fixture(loop_scope="module")
async def joined(host: MoonrakerHost) -> AsyncIterator[Line]:
    async with line(host.connection) as made:
        yield made


def sliced(seconds: float) -> bytes:
    """A print of so many of the machine's seconds, with what PrusaSlicer writes around it."""
    tower = square_tower(layers=40).splitlines(keepends=True)
    begin = tower.index(b"; filament used [mm] = 105.60\n")
    head, tail = tower[0], b"".join(tower[begin:])
    moves = gcode(seconds, salt=str(time.monotonic_ns()))
    more = b"; total filament used [g] = 0.31\n; total layers count = 40\n"
    return head + thumbnail_block(PICTURE, 220, 124) + moves + more + tail


# --- power -----------------------------------------------------------------------------------


async def test_a_device_is_switched_and_told_as_it_says_itself(
    joined: Line, plugs: tuple[Plug, Plug]
) -> None:
    _, light = plugs
    told = (await joined.driver.equipment()).power
    assert set(told) == {PowerDevice("mains", on=True, locked=True), PowerDevice("light", on=True)}
    assert await joined.driver.control(Power("light", on=False)) == Accepted()
    assert not light.on
    assert light.asked[-1] == "status", "it is asked after it was switched"
    assert PowerDevice("light", on=False) in (await joined.driver.equipment()).power
    assert await joined.driver.control(Power("light", on=True)) == Accepted()
    assert light.on


async def test_a_device_that_stays_as_it_was_is_not_believed(
    joined: Line, plugs: tuple[Plug, Plug]
) -> None:
    _, light = plugs
    light.stuck = True
    answer = await joined.driver.control(Power("light", on=False))
    assert answer == Unknown("light was told, and says that it is still on")
    assert light.asked.count("off") == 1, "an order is given once"


async def test_of_a_device_that_does_not_answer_nothing_is_known(
    joined: Line, plugs: tuple[Plug, Plug]
) -> None:
    _, light = plugs
    light.dead = True
    assert isinstance(await joined.driver.control(Power("light", on=False)), Unknown)


async def test_an_unknown_device_is_refused_with_those_there_are(joined: Line) -> None:
    answer = await joined.driver.control(Power("lamp", on=True))
    expected = "there is no power device 'lamp'; there are mains, light"
    assert answer == Refused("no_such_device", expected)


async def test_nothing_is_switched_off_under_a_print_and_a_lock_is_obeyed(
    host: MoonrakerHost, joined: Line, plugs: tuple[Plug, Plug]
) -> None:
    mains, light = plugs
    await host.put("theirs.gcode", gcode(30 * FACTOR), print="true")
    await host.print_is("printing")
    for device in ("mains", "light"):
        answer = await joined.driver.control(Power(device, on=False))
        assert answer == Refused("prints", "nothing was switched: a print is printing")
    assert "off" not in mains.asked + light.asked
    light.on = False
    assert await joined.driver.control(Power("light", on=True)) == Accepted()
    mains.on = False  # somebody pulled it, and Moonraker has yet to see it
    answer = await joined.driver.control(Power("mains", on=True))
    assert isinstance(answer, Refused)
    assert (answer.code, "while printing" in answer.detail) == ("locked", True)


# --- the file in print -----------------------------------------------------------------------


async def test_what_somebody_else_prints_is_told_with_its_picture(
    host: MoonrakerHost, joined: Line
) -> None:
    assert isinstance(joined.driver, FileTeller)
    await host.put("bracket é #1.gcode", sliced(20 * FACTOR), path="shelf", print="true")
    await host.print_is("printing")
    file = await host.until(joined.driver.file, lambda seen: seen is not None)
    assert isinstance(file, HostFile)
    assert file.path == "shelf/bracket é #1.gcode"
    assert (file.slicer, file.estimated_s) == ("PrusaSlicer 2.7.4", 107)
    assert (file.filament_mm, file.filament_g) == (105.6, 0.31)
    assert (file.layers, file.layer_height, file.first_layer_height) == (40, 0.2, 0.2)
    assert file.has_picture
    assert (await joined.driver.equipment()).file == file
    picture = await joined.driver.picture(file)
    assert picture is not None
    assert (picture.media_type, picture.data) == ("image/png", PICTURE)
    await host.trusted_call("printer.print.cancel")
    await host.print_is("cancelled")
    assert await joined.driver.file() == file, "it is the one that was printed last"


# --- a machine without power -----------------------------------------------------------------


async def test_a_machine_whose_power_was_switched_off_is_not_said_to_have_stopped_with_an_error(
    plugs: tuple[Plug, Plug], tmp_path_factory: pytest.TempPathFactory
) -> None:
    mains, _ = plugs
    mains.on = True
    more = mains.section("mains", "restart_klipper_when_powered: True")
    async with (
        moonraker_host(tmp_path_factory.mktemp("u"), time_factor=FACTOR, more=more) as host,
        line(host.connection) as joined,
    ):
        ready = await joined.until(None, lambda seen: seen.activity is Activity.IDLE)
        assert ready.powered
        assert await joined.driver.control(Power("mains", on=False)) == Accepted()
        await host.do("fail")  # as its firmware is without power
        off = await joined.until(None, lambda seen: seen.activity is Activity.HALTED)
        assert (off.powered, off.detail) == (False, "its power is off: mains")
        assert await joined.driver.control(Power("mains", on=True)) == Accepted()
        back = await joined.until(None, lambda seen: seen.activity is Activity.IDLE)
        assert back.powered
