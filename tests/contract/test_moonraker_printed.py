"""What the Moonraker driver takes of a host's word on files and devices, and what it does not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import web

from buildplate.drivers.moonraker.driver import MoonrakerDriver
from buildplate.drivers.moonraker.printed import read_file
from buildplate.drivers.sdk import (
    PICTURE_LIMIT,
    Accepted,
    Activity,
    DriverError,
    HostConfused,
    HostFile,
    Power,
    Refused,
    Unknown,
)
from tests.contract.odd_moonraker import OddMoonraker, Refusal, odd_moonraker
from tests.contract.test_moonraker_defences import line
from tests.gcode_samples import png

METADATA = "server.files.metadata"
SMALL, LARGE = png(32, 32), png(300, 300)
OURS = "bp-0192f0c1e9a77000a1b2c3d4e5f60718"
KNOWN: dict[str, Any] = {
    "size": 9,
    "modified": 5.5,
    "uuid": "u",
    "slicer": "OrcaSlicer",
    "slicer_version": "2.1",
    "estimated_time": 600,
    "thumbnails": [
        {"width": 32, "height": 32, "size": 100, "relative_path": ".thumbs/a-32x32.png"},
        {"width": 300, "height": 300, "size": 900, "relative_path": ".thumbs/a é.png"},
    ],
}


@pytest.fixture
async def host() -> AsyncIterator[OddMoonraker]:
    """One that prints what somebody began at it."""
    async with odd_moonraker() as made:
        made.status["print_stats"] |= {"state": "printing", "filename": "shelf/a.gcode"}
        made.answers[METADATA] = KNOWN
        yield made


def serve(host: OddMoonraker, path: str, body: bytes, status: int = 200) -> list[str]:
    """Answer this path so; what was asked for it."""
    asked: list[str] = []

    async def handle(request: web.Request) -> web.Response:
        asked.append(request.raw_path)
        return web.Response(body=body, status=status)

    host.handlers[path] = handle
    return asked


async def test_a_file_is_read_once_for_each_print(host: OddMoonraker) -> None:
    async with line(host) as joined:
        driver = joined.driver
        assert isinstance(driver, MoonrakerDriver)
        for _ in range(3):
            await driver.equipment()
        file = await driver.file()
        assert file is not None
        assert (file.path, file.slicer, file.estimated_s) == (
            "shelf/a.gcode",
            "OrcaSlicer 2.1",
            600.0,
        )
        assert host.calls[METADATA] == 1
        for state in ("complete", "printing"):
            await host.tell("notify_status_update", {"print_stats": {"state": state}}, 1.0)
        async with asyncio.timeout(5):
            while host.calls[METADATA] < 2:
                await driver.file()
                await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    "answer",
    [None, Refusal(404, "Metadata not available for <a.gcode>"), [], "x", 7],
    ids=["silence", "absent", "list", "text", "number"],
)
async def test_without_metadata_there_is_no_file_and_no_error(
    host: OddMoonraker, answer: Any
) -> None:
    host.answers[METADATA] = answer
    async with line(host) as joined:
        found = await joined.driver.equipment()
        assert found.file is None
        await joined.driver.equipment()
        assert host.calls[METADATA] == 1, "what is not there is not asked for again at once"


async def test_the_largest_picture_is_fetched_from_beside_the_file(host: OddMoonraker) -> None:
    asked = serve(host, "/server/files/gcodes/shelf/.thumbs/a é.png", LARGE)
    async with line(host) as joined:
        driver = joined.driver
        assert isinstance(driver, MoonrakerDriver)
        file = await driver.file()
        assert file is not None
        picture = await driver.picture(file)
        assert picture is not None
        assert (picture.data, picture.media_type) == (LARGE, "image/png")
        assert asked == ["/server/files/gcodes/shelf/.thumbs/a%20%C3%A9.png"]
        assert await driver.picture(HostFile("another.gcode", has_picture=True)) is None
        assert len(asked) == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"<svg/>", 200), (b"\x89PNG is not all of it", 200), (b"", 200), (LARGE, 404)],
)
async def test_what_is_no_picture_is_none(host: OddMoonraker, body: bytes, status: int) -> None:
    serve(host, "/server/files/gcodes/shelf/.thumbs/a é.png", body, status)
    async with line(host) as joined:
        driver = joined.driver
        assert isinstance(driver, MoonrakerDriver)
        file = await driver.file()
        assert file is not None
        assert await driver.picture(file) is None


@pytest.mark.parametrize("status", [403, 429, 500, 502, 503, 504])
async def test_a_host_that_fails_to_give_a_picture_has_not_said_that_there_is_none(
    host: OddMoonraker, status: int
) -> None:
    serve(host, "/server/files/gcodes/shelf/.thumbs/a é.png", LARGE, status)
    async with line(host) as joined:
        driver = joined.driver
        assert isinstance(driver, MoonrakerDriver)
        file = await driver.file()
        assert file is not None
        with pytest.raises(HostConfused, match=str(status)):
            await driver.picture(file)


@pytest.mark.parametrize(
    "name", [f"{OURS}-1.gcode", f"/{OURS.upper()}-1.GCODE", f"x/{OURS}-1.gcode"]
)
async def test_moonraker_is_not_asked_for_what_it_knows_of_a_file_of_ours(
    host: OddMoonraker, name: str
) -> None:
    host.status["print_stats"] |= {"filename": name}
    async with line(host) as joined:
        assert (await joined.driver.equipment()).file is None
    assert not host.calls[METADATA]


async def test_a_picture_that_is_larger_than_it_said_is_not_taken(host: OddMoonraker) -> None:
    serve(host, "/server/files/gcodes/shelf/.thumbs/a é.png", LARGE + bytes(PICTURE_LIMIT))
    async with line(host) as joined:
        driver = joined.driver
        assert isinstance(driver, MoonrakerDriver)
        file = await driver.file()
        assert file is not None
        with pytest.raises(DriverError, match="longer than"):
            await driver.picture(file)


@pytest.mark.parametrize(
    "place",
    ["../secret.png", "/etc/secret.png", ".thumbs/../../x.png", "a//b.png", "a\\b.png", "a\nb", ""],
)
def test_a_picture_stays_beside_its_file(place: str) -> None:
    picture = {"width": 9, "height": 9, "size": 9, "relative_path": place}
    known = read_file("a.gcode", {"thumbnails": [picture]})
    assert (known.picture, known.file.has_picture) == ("", False)


@pytest.mark.parametrize(
    "path", ["../x/a.gcode", "x/../../y/a.gcode", "//x/a.gcode", "./a.gcode", "a\\b/c.gcode"]
)
def test_a_picture_stays_below_the_files_wherever_its_file_is_said_to_lie(path: str) -> None:
    picture = {"width": 9, "height": 9, "size": 9, "relative_path": "x.png"}
    known = read_file(path, {"thumbnails": [picture]})
    assert (known.picture, known.file.has_picture) == ("", False)


def test_a_path_that_begins_with_a_stroke_is_one_below_the_files() -> None:
    picture = {"width": 9, "height": 9, "size": 9, "relative_path": "x.png"}
    assert read_file("/shelf/a.gcode", {"thumbnails": [picture]}).picture == "shelf/x.png"


@pytest.mark.parametrize("place", [f".thumbs/{OURS}-1-300x300.png", f"{OURS.upper()}-1.PNG"])
def test_a_picture_of_a_file_of_ours_is_not_shown_as_that_of_another(place: str) -> None:
    picture = {"width": 9, "height": 9, "size": 9, "relative_path": place}
    assert not read_file("mine.gcode", {"thumbnails": [picture]}).file.has_picture


def test_what_names_a_version_is_bounded_in_size_and_in_depth() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    for said in (deep, [1.5e-7] * 100_000, {"a": "x" * 9_000}, True, None):
        assert read_file("a.gcode", {"uuid": said, "size": said}).file.version == "--"
    known = read_file("a.gcode", {"uuid": "u" * 9_000, "modified": 5.5, "size": 9})
    assert known.file.version == "u" * 60 + "-5.5-9.0"


def test_pictures_that_are_too_large_are_passed_over() -> None:
    usual: dict[str, Any] = {"width": 9, "height": 9, "size": 9, "relative_path": "small.png"}
    large: list[dict[str, Any]] = [
        {"size": PICTURE_LIMIT + 1},
        {"width": 9000},
        {"size": "9"},
        {"size": True},
    ]
    pictures = [usual | {"relative_path": "large.png"} | one for one in large]
    known = read_file("x/a.gcode", {"thumbnails": [*pictures, usual, None, 7]})
    assert known.picture == "x/small.png"


@pytest.mark.parametrize("value", [-1, 0, 1e30, "5", True, None, [5], {"a": 5}])
def test_figures_out_of_all_bounds_are_not_told(value: Any) -> None:
    names = (
        "estimated_time",
        "filament_total",
        "filament_weight_total",
        "layer_count",
        "layer_height",
        "first_layer_height",
        "object_height",
        "first_layer_extr_temp",
        "first_layer_bed_temp",
        "chamber_temp",
    )
    file = read_file("a.gcode", dict.fromkeys(names, value)).file
    assert file == HostFile("a.gcode", version=file.version)


# --- power -----------------------------------------------------------------------------------

DEVICES = {"devices": [{"device": "plug", "status": "on", "locked_while_printing": False}]}


@pytest.fixture
async def idle(host: OddMoonraker) -> OddMoonraker:
    host.status["print_stats"] |= {"state": "standby", "filename": ""}
    host.answers["machine.device_power.devices"] = DEVICES
    host.answers["machine.device_power.post_device"] = {"plug": "off"}
    return host


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ({"plug": "off"}, Accepted),
        ({"plug": "on"}, Unknown),  # it may follow later
        ({"plug": "init"}, Unknown),
        ({"plug": "error"}, Unknown),
        ({"other": "off"}, Unknown),
        ("ok", Unknown),
        ([], Unknown),
        (Refusal(500, "Internal"), Unknown),
        (Refusal(400, "No valid device named plug"), Unknown),
        (Refusal(-32601, "Method not found"), Unknown),
        (Refusal(-32602, "Unauthorized"), Unknown),
        (None, Unknown),
    ],
)
async def test_only_the_device_s_own_word_is_believed(
    idle: OddMoonraker, status: Any, kind: type
) -> None:
    idle.answers["machine.device_power.get_device"] = status
    async with line(idle) as joined:
        assert type(await joined.driver.control(Power("plug", on=False))) is kind
    assert idle.calls["machine.device_power.post_device"] == 1
    assert idle.params["machine.device_power.post_device"] == {"device": "plug", "action": "off"}


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (Refusal(400, "Unable to change power for plug while printing"), Refused),
        (Refusal(400, "Error Setting Device Status: plug to off"), Unknown),
        (
            Refusal(400, "Power Device plug: Cannot set power for device when Klipper is shutdown"),
            Refused,
        ),
        (Refusal(-32602, "Unauthorized"), Refused),
        (None, Unknown),
    ],
)
async def test_an_error_is_a_refusal_only_where_nothing_was_switched(
    idle: OddMoonraker, said: Any, kind: type
) -> None:
    idle.answers["machine.device_power.post_device"] = said
    async with line(idle) as joined:
        assert type(await joined.driver.control(Power("plug", on=False))) is kind


@pytest.mark.parametrize("state", ["printing", "paused"])
async def test_nothing_is_switched_off_while_a_fresh_read_shows_a_print(
    idle: OddMoonraker, state: str
) -> None:
    async with line(idle) as joined:
        idle.status["print_stats"] |= {"state": state, "filename": "theirs.gcode"}
        answer = await joined.driver.control(Power("plug", on=False))
    assert answer == Refused("prints", f"nothing was switched: a print is {state}")
    assert idle.calls["machine.device_power.post_device"] == 0


async def test_only_a_klipper_that_is_not_ready_is_without_power(idle: OddMoonraker) -> None:
    idle.answers["server.config"] = {
        "config": {"power plug": {"restart_klipper_when_powered": True}, "power lamp": {}}
    }
    off = {"devices": [{"device": name, "status": "off"} for name in ("plug", "lamp")]}
    idle.answers["machine.device_power.devices"] = off
    async with line(idle) as joined:
        assert (await joined.driver.look(None)).powered, "the device may lie, Klipper does not"
        idle.status["webhooks"] = {"state": "shutdown", "state_message": "Lost communication"}
        reading = await joined.driver.look(None)
        assert (reading.powered, reading.detail) == (False, "its power is off: plug")
        assert reading.activity is Activity.HALTED, "verdicts on prints are as they were"
        seen = len(joined.pushes)
        await idle.tell("notify_power_changed", {"device": "plug", "status": "on"})
        await joined.until(lambda: joined.pushes[seen:])
        reading = await joined.driver.look(None)
        assert (reading.powered, reading.detail) == (True, "Lost communication")


async def test_a_machine_whose_power_went_off_is_without_it_before_klipper_notices(
    idle: OddMoonraker,
) -> None:
    config = {"config": {"power plug": {"bound_services": ["klipper"]}}}
    idle.answers["server.config"] = config
    idle.answers["machine.device_power.devices"] = {"devices": [{"device": "plug", "status": "on"}]}
    async with line(idle) as joined:
        for state in ("off", "on", "off"):
            seen = len(joined.pushes)
            await idle.tell("notify_power_changed", {"device": "plug", "status": state})
            await joined.until(lambda seen=seen: joined.pushes[seen:])
            reading = await joined.driver.look(None)
            assert reading.powered is (state == "on")
            assert reading.activity in {Activity.IDLE, Activity.BUSY}, "Klipper has not noticed"
        idle.status["print_stats"] |= {"state": "printing", "filename": "theirs.gcode"}
        assert (await joined.driver.look(None)).powered, "what prints has power"


async def test_a_host_without_devices_says_so(idle: OddMoonraker) -> None:
    idle.answers["machine.device_power.devices"] = Refusal(-32601, "Method not found")
    async with line(idle) as joined:
        answer = await joined.driver.control(Power("plug", on=True))
    assert answer == Refused("no_such_device", "the printer's Moonraker has no power devices")


@pytest.mark.parametrize(
    "said", [Refusal(500, "Internal"), Refusal(-32602, "Unauthorized"), None], ids=repr
)
async def test_where_the_devices_are_not_told_nothing_is_switched(
    idle: OddMoonraker, said: Any
) -> None:
    idle.answers["machine.device_power.devices"] = said
    async with line(idle) as joined:
        assert isinstance(await joined.driver.control(Power("plug", on=False)), Refused)
    assert not idle.calls["machine.device_power.post_device"]


NOT_AT_REST: dict[str, dict[str, Any]] = {
    "its head moves": {"idle_timeout": {"state": "Printing"}},
    "it makes the last moves of a print": {
        "print_stats": {"state": "complete", "filename": "x.gcode", "total_duration": 5.0},
        "idle_timeout": {"state": "Printing"},
    },
    "it prints": {"print_stats": {"state": "printing", "filename": "x.gcode"}},
    "its print is paused": {"print_stats": {"state": "paused", "filename": "x.gcode"}},
    "it is in an unknown state": {"print_stats": {"state": "resonance"}},
    "its Klipper starts": {"webhooks": {"state": "startup", "state_message": ""}},
}


async def off_answered(
    host: OddMoonraker, first: Callable[[], None] = lambda: None
) -> tuple[Any, int]:
    """What an order to switch off comes to, and how often a device was switched.

    `first` happens once the driver has joined.
    """
    host.answers["machine.device_power.get_device"] = {"plug": "off"}
    async with line(host) as joined:
        first()
        answer = await joined.driver.control(Power("plug", on=False))
    return answer, host.calls["machine.device_power.post_device"]


@pytest.mark.parametrize("status", NOT_AT_REST.values(), ids=NOT_AT_REST)
async def test_nothing_is_switched_off_where_the_machine_is_not_known_to_rest(
    idle: OddMoonraker, status: dict[str, Any]
) -> None:
    answer, switched = await off_answered(idle, lambda: _now(idle, status))
    assert (type(answer), switched) == (Refused, 0)


async def test_nothing_is_switched_off_while_moonraker_has_lost_klipper(
    idle: OddMoonraker,
) -> None:
    gone = Refusal(503, "Klippy Host not connected")
    lost = {"printer.objects.query": gone}
    answer, switched = await off_answered(idle, lambda: idle.answers.update(lost))
    assert (type(answer), switched) == (Refused, 0)


async def test_a_machine_that_has_stopped_with_an_error_is_switched_off(
    idle: OddMoonraker,
) -> None:
    _now(idle, {"webhooks": {"state": "shutdown", "state_message": "stopped"}})
    assert await off_answered(idle) == (Accepted(), 1)


async def test_a_print_that_begins_while_the_devices_are_listed_keeps_its_power(
    idle: OddMoonraker,
) -> None:
    def heard(method: str) -> None:
        if method == "machine.device_power.devices":
            _now(idle, NOT_AT_REST["it prints"])

    idle.heard = heard
    answer, switched = await off_answered(idle)
    assert answer == Refused("prints", "nothing was switched: a print is printing")
    assert switched == 0


def _now(host: OddMoonraker, status: dict[str, Any]) -> None:
    for name, fields in status.items():
        host.status[name] |= fields
