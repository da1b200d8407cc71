"""Serial ports: under which name they are found again, and why they cannot be opened."""

from __future__ import annotations

import os
import pty
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from buildplate.fleet.serial_ports import (
    Listed,
    Owner,
    SerialPorts,
    lasting_name,
    listed_by_system,
    not_allowed,
)

USB = Listed("/dev/ttyUSB0", "FTDI", "FT232R", 0x0403, 0x6001, "A1B2", 0, own=True)
TWIN = Listed("/dev/ttyUSB1", "", "USB Serial", 0x1A86, 0x7523, None, 0)
NATIVE = Listed("/dev/ttyAMA0")
BY_ID = {"/dev/ttyUSB0": ["by-id/a"], "/dev/ttyUSB1": ["by-id/b"]}
BY_PATH = {"/dev/ttyUSB0": ["by-path/0"], "/dev/ttyUSB1": ["by-path/1"]}


@pytest.mark.parametrize(
    ("port", "by_id", "by_path", "alone", "name"),
    [
        (USB, BY_ID, BY_PATH, True, "by-id/a"),
        (USB, {}, BY_PATH, True, "by-path/0"),
        (USB, {}, {}, True, "/dev/ttyUSB0"),
        # Two devices with one serial number: the link leads to the last one plugged in.
        (USB, BY_ID, BY_PATH, False, "by-path/0"),
        (USB, BY_ID, {}, False, "/dev/ttyUSB0"),
        # No serial number: the next one of its kind would take the link over.
        (TWIN, BY_ID, BY_PATH, True, "by-path/1"),
        (TWIN, BY_ID, {}, True, "by-id/b"),
        (NATIVE, BY_ID, BY_PATH, True, "/dev/ttyAMA0"),
    ],
)
def test_a_port_is_called_by_the_name_that_stays_its_own(
    port: Listed, by_id: dict[str, list[str]], by_path: dict[str, list[str]], alone: bool, name: str
) -> None:
    assert lasting_name(port, by_id, by_path, alone=alone) == name


class Bench:
    """Devices on ptys, and the names that udev would give them."""

    def __init__(self, dev: Path) -> None:
        self.dev = dev
        self.listed: list[Listed] = []
        self._open: dict[str, tuple[int, int]] = {}

    def plug(self, name: str, serial: str | None = "A1") -> str:
        ends = pty.openpty()
        device = os.ttyname(ends[1])
        self._open[device] = ends
        links = {"by-id": f"usb-{name}", "by-path": f"pci-{len(self._open)}"}
        for folder, link in links.items():
            (self.dev / "serial" / folder).mkdir(parents=True, exist_ok=True)
            (self.dev / "serial" / folder / link).symlink_to(device)
        one = Listed(device, "Maker", name, 1, 2, serial, 0, own=serial is not None)
        self.listed.append(one)
        return device

    def pull(self, device: str) -> None:
        for end in self._open.pop(device):
            os.close(end)
        self.listed = [one for one in self.listed if one.device != device]

    def close(self) -> None:
        for device in list(self._open):
            with suppress(OSError):
                self.pull(device)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    found = Bench(tmp_path / "dev")
    yield found
    found.close()


async def test_a_port_that_appears_and_vanishes_is_seen_at_the_next_look(bench: Bench) -> None:
    ports = SerialPorts(lambda: bench.listed, bench.dev)
    assert await ports.seen() == []
    device = bench.plug("Left")
    (seen,) = await ports.seen()
    assert (seen.port.device, seen.port.name) == (device, "Maker Left")
    assert seen.port.path == str(bench.dev / "serial/by-id/usb-Left")
    assert seen.names == (seen.port.path, str(bench.dev / "serial/by-path/pci-1"))
    assert seen.trouble is None
    other = bench.plug("Right", "B2")
    assert {one.port.device for one in await ports.seen()} == {device, other}
    bench.pull(device)
    assert [one.port.device for one in await ports.seen()] == [other]


async def test_devices_that_look_alike_are_called_by_their_sockets(bench: Bench) -> None:
    bench.plug("Left")
    bench.plug("Right")
    seen = await SerialPorts(lambda: bench.listed, bench.dev).seen()
    assert [Path(one.port.path).name for one in seen] == ["pci-1", "pci-2"]


@pytest.mark.parametrize(
    ("owner", "hint"),
    [
        (Owner(0o20660, 20, "dialout"), "`sudo usermod -aG dialout ann`,"),
        (Owner(0o20660, 986, None), "--group-add 986"),
        (Owner(0o20660, 0, "root"), "udev rule"),
        (Owner(0o20600, 20, "dialout"), "udev rule"),
    ],
)
def test_a_port_without_permission_names_the_group_and_the_command(owner: Owner, hint: str) -> None:
    trouble = not_allowed("/dev/ttyUSB0", "ann", owner)
    assert (trouble.code, trouble.detail) == ("serial_permission", "ann may not open /dev/ttyUSB0")
    assert hint in trouble.hint


async def test_a_port_that_may_not_be_opened_is_listed_and_says_so(bench: Bench) -> None:
    device = bench.plug("Left")
    (seen,) = await SerialPorts(lambda: bench.listed, bench.dev, lambda _: False).seen()
    assert seen.trouble is not None
    assert seen.trouble.code == "serial_permission"
    assert device in seen.trouble.detail


async def test_a_port_that_a_container_was_not_given_says_how_to_give_it(tmp_path: Path) -> None:
    gone = str(tmp_path / "ttyUSB0")
    (seen,) = await SerialPorts(lambda: [Listed(gone)], tmp_path).seen()
    assert seen.trouble is not None
    assert seen.trouble.code == "serial_not_given"
    assert f"--device={gone}" in seen.trouble.hint


async def test_names_over_usb_are_cleaned_and_said_once(bench: Bench) -> None:
    bench.plug("x")
    bench.listed = [
        Listed(bench.listed[0].device, "Prusa Research\n", "Prusa Research MK3"),
        Listed(bench.listed[0].device, "a\x1b[31m", "b" * 300),
        Listed(bench.listed[0].device, "Maker", "maker Board"),
    ]
    names = [one.port.name for one in await SerialPorts(lambda: bench.listed, bench.dev).seen()]
    assert names[2] == "maker Board"
    assert names[1].startswith("a�[31m b")
    assert len(names[1]) == 100


async def test_no_more_ports_are_shown_than_anybody_has(bench: Bench) -> None:
    bench.plug("x")
    many = [Listed(f"{bench.listed[0].device}{n}") for n in range(300)]
    assert len(await SerialPorts(lambda: many, bench.dev).seen()) == 100


def test_the_ports_of_this_machine_can_be_listed() -> None:
    for port in listed_by_system():
        assert port.device.startswith("/dev/")
        assert port.vendor_id is None or 0 <= port.vendor_id <= 0xFFFF


async def test_what_is_listed_here_can_be_looked_at() -> None:
    for seen in await SerialPorts().seen():
        assert seen.port.name.isprintable()
        assert seen.trouble is None or seen.trouble.hint
