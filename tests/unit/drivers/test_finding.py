"""What drivers make of an announcement: pure, and never upset by what strangers say."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildplate.app.drivers import installed_drivers
from buildplate.drivers.sdk import Announcement, DriverTimings, SerialPort

DRIVERS = installed_drivers()
SAID = {"path": "/", "version": "1.11.8", "api": "0.1", "uuid": "1"}
OCTOPI = Announcement("_octoprint._tcp", "OctoPi", "octopi.local", "192.168.1.20", 80, SAID)
announced = DRIVERS["octoprint"].finds.services["_octoprint._tcp"]
TEXT = st.text(max_size=200)
WORDS = st.sampled_from(["path", "version", "api", "route_prefix", "https_port", "uuid"])
ANNOUNCEMENTS = st.builds(
    Announcement,
    service=st.sampled_from(
        sorted({name for one in DRIVERS.values() for name in one.finds.services})
    ),
    name=TEXT,
    host=st.none() | st.just("left.local"),
    address=st.sampled_from(["192.168.1.20", "fd00::20", "left.local"]),
    port=st.integers(1, 65535),
    properties=st.dictionaries(WORDS | st.text(max_size=32), TEXT),
)
PORTS = st.builds(
    SerialPort,
    path=st.sampled_from(["/dev/serial/by-id/usb-1a86_USB_Serial-if00-port0", "/dev/ttyACM0"]),
    device=st.just("/dev/ttyACM0"),
    name=TEXT,
    vendor_id=st.none() | st.integers(0, 0xFFFF),
    product_id=st.none() | st.integers(0, 0xFFFF),
)


@pytest.mark.parametrize(
    ("found", "url"),
    [
        (OCTOPI, "http://192.168.1.20"),
        (replace(OCTOPI, port=5000), "http://192.168.1.20:5000"),
        (replace(OCTOPI, port=443), "https://192.168.1.20"),
        (replace(OCTOPI, address="fd00::20", port=5000), "http://[fd00::20]:5000"),
        (replace(OCTOPI, properties=SAID | {"path": "/left/"}), "http://192.168.1.20/left"),
        (replace(OCTOPI, properties=SAID | {"path": "/?next=//evil"}), "http://192.168.1.20"),
        (replace(OCTOPI, properties=SAID | {"path": "@evil"}), "http://192.168.1.20"),
    ],
)
def test_an_announced_octoprint_is_reached_where_it_says(found: Announcement, url: str) -> None:
    assert announced(found) == {"url": url}


@pytest.mark.parametrize(
    ("said", "url"),
    [
        ({}, "http://192.168.1.20:7125"),
        ({"route_prefix": ""}, "http://192.168.1.20:7125"),
        ({"route_prefix": "/left"}, "http://192.168.1.20:7125/left"),
        ({"route_prefix": "@evil"}, "http://192.168.1.20:7125"),
    ],
)
def test_an_announced_moonraker_is_reached_where_it_says(said: dict[str, str], url: str) -> None:
    makes = DRIVERS["moonraker"].finds.services["_moonraker._tcp"]
    assert makes(replace(OCTOPI, port=7125, properties=said)) == {"url": url}


@pytest.mark.parametrize(
    ("path", "port"),
    [
        ("/dev/serial/by-id/usb-Prusa-if00", "/dev/serial/by-id/usb-Prusa-if00"),
        ("/dev/serial/by-id/usb-Prüsa-if00", "/dev/ttyACM0"),
    ],
)
def test_a_serial_port_is_opened_by_its_lasting_name(path: str, port: str) -> None:
    makes = DRIVERS["marlin"].finds.serial
    assert makes is not None
    settings = makes(SerialPort(path, "/dev/ttyACM0"))
    assert settings == {"port": port}
    DRIVERS["marlin"].make(settings or {}, DriverTimings())


def test_what_announces_an_octoprint_for_slicers_alone_is_none() -> None:
    assert announced(replace(OCTOPI, properties={"path": "/"})) is None


@given(ANNOUNCEMENTS)
def test_drivers_fill_in_fields_of_their_own_form_whatever_is_announced(
    found: Announcement,
) -> None:
    for manifest in DRIVERS.values():
        makes = manifest.finds.services.get(found.service)
        settings = None if makes is None else makes(found)
        assert set(settings or ()) <= manifest.connection_schema["properties"].keys()
        assert not set(settings or ()) & manifest.secrets


@given(PORTS)
def test_drivers_fill_in_fields_of_their_own_form_whatever_port_is_there(port: SerialPort) -> None:
    for manifest in DRIVERS.values():
        settings = None if manifest.finds.serial is None else manifest.finds.serial(port)
        assert set(settings or ()) <= manifest.connection_schema["properties"].keys()
        assert not set(settings or ()) & manifest.secrets
