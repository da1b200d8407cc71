"""What is around, matched with drivers and printers: who takes it, and who has it already."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from buildplate.drivers.octoprint import DRIVER as OCTOPRINT
from buildplate.drivers.sdk import Driver, DriverTimings, Finds, Manifest, SerialPort
from buildplate.fleet.found import (
    Known,
    PortSeen,
    Remark,
    at_serial_ports,
    in_the_network,
    same_place,
)
from buildplate.fleet.strangers import Heard


def _make(_: Mapping[str, Any], __: DriverTimings) -> Driver:
    raise NotImplementedError


USB = Manifest(
    name="usb",
    title="USB printers",
    description="",
    connection_schema={},
    make=_make,
    finds=Finds(serial=lambda port: {"port": port.path}),
)
TXT = {"path": "/", "version": "1.11.8", "api": "0.1"}
OCTO = Heard("_octoprint._tcp", "Left", "left.local", ("192.168.1.20", "fd00::20"), 80, TXT)
PRUSA = Heard("_prusalink._tcp", "MK4", "mk4.local", ("192.168.1.21",), 80, {"path": "/"})
FOR_SLICERS = replace(PRUSA, service="_octoprint._tcp")
PORT = PortSeen(
    SerialPort("/dev/serial/by-id/usb-Left", "/dev/ttyACM0", "Left"),
    ("/dev/serial/by-id/usb-Left", "/dev/serial/by-path/pci-1"),
)


def octo(url: str, driver: str = "octoprint") -> Known:
    return Known("id", driver, {"url": url, "api_key": "sealed"})


def test_an_octoprint_begins_a_printer_with_its_driver_and_address() -> None:
    (found,) = in_the_network([OCTO], [OCTOPRINT], [])
    assert (found.driver, found.connection) == ("octoprint", {"url": "http://192.168.1.20"})
    assert (found.where, found.host, found.remark) == ("192.168.1.20:80", "left.local", None)


def test_a_family_without_a_driver_is_shown_as_such() -> None:
    (found,) = in_the_network([PRUSA], [OCTOPRINT], [])
    assert (found.family, found.driver, found.connection) == ("PrusaLink", None, None)
    assert found.remark is not None
    assert found.remark.code == "no_driver"


def test_a_host_that_announces_itself_twice_is_shown_as_what_it_is() -> None:
    for order in ([PRUSA, FOR_SLICERS], [FOR_SLICERS, PRUSA]):
        assert [one.family for one in in_the_network(order, [OCTOPRINT], [])] == ["PrusaLink"]


def test_what_its_driver_disowns_and_nobody_else_knows_is_shown_with_a_word() -> None:
    (found,) = in_the_network([FOR_SLICERS], [OCTOPRINT], [])
    assert found.driver is None
    assert found.remark is not None
    assert found.remark.code == "other_make"


def test_a_host_that_is_heard_in_two_networks_is_shown_once() -> None:
    assert len(in_the_network([OCTO, OCTO], [OCTOPRINT], [])) == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://192.168.1.20", "http://192.168.1.20/", "http://192.168.1.20:80",
        "HTTP://Left.local", "http://left.local:80/", "http://[fd00::20]",
    ],
)  # fmt: skip
def test_a_printer_is_known_again_however_its_address_is_spelt(url: str) -> None:
    (found,) = in_the_network([OCTO], [OCTOPRINT], [octo(url)])
    assert found.printer_id == "id"


@pytest.mark.parametrize(
    "known",
    [
        octo("http://192.168.1.20:5000"), octo("https://192.168.1.20"),
        octo("http://192.168.1.20/left"), octo("http://left.local.evil"), octo("http://[::bad"),
        octo("http://192.168.1.20", driver="other"), Known("id", "octoprint", {}),
        octo("http://localhost"),
    ],
)  # fmt: skip
def test_another_place_is_another_printer(known: Known) -> None:
    (found,) = in_the_network([OCTO], [OCTOPRINT], [known])
    assert found.printer_id is None


def test_a_host_on_this_machine_is_known_by_its_own_names_too() -> None:
    ours = replace(OCTO, ours=True)
    (found,) = in_the_network([ours], [OCTOPRINT], [octo("http://localhost/")])
    assert found.printer_id == "id"


def test_a_serial_port_is_offered_to_the_drivers_that_take_one() -> None:
    (found,) = at_serial_ports([PORT], [OCTOPRINT, USB], [])
    assert (found.driver, found.connection) == ("usb", {"port": "/dev/serial/by-id/usb-Left"})
    (alone,) = at_serial_ports([PORT], [OCTOPRINT], [])
    assert alone.driver is None
    assert alone.remark is not None
    assert alone.remark.code == "no_driver"


@pytest.mark.parametrize(
    "stored", ["/dev/ttyACM0", "/dev/serial/by-id/usb-Left", "/dev/serial/by-path/pci-1"]
)
def test_a_port_is_known_again_by_each_of_its_names(stored: str) -> None:
    known = [Known("id", "usb", {"port": stored, "baud": 115200})]
    (found,) = at_serial_ports([PORT], [USB], known)
    assert found.printer_id == "id"
    (other,) = at_serial_ports([PORT], [USB], [Known("id", "usb", {"port": "/dev/ttyACM1"})])
    assert other.printer_id is None


def test_a_port_that_cannot_be_opened_says_so() -> None:
    trouble = Remark("serial_permission", "ann may not open /dev/ttyACM0", "usermod")
    (found,) = at_serial_ports([replace(PORT, trouble=trouble)], [USB], [])
    assert found.remark == trouble


def test_what_names_itself_comes_before_what_does_not() -> None:
    silent = PortSeen(SerialPort("/dev/ttyS0", "/dev/ttyS0"))
    assert [one.name for one in at_serial_ports([silent, PORT], [USB], [])] == ["Left", ""]


@pytest.mark.parametrize(
    ("stored", "found", "same"),
    [(7125, 7125, True), (7125, "7125", False), (True, 1, False), (None, "x", False)],
)
def test_values_are_the_same_only_as_the_same_kind(stored: Any, found: Any, same: bool) -> None:
    assert same_place(stored, found) is same
