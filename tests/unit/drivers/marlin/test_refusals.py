"""A port that cannot be opened says why, and what to do."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from buildplate.drivers.marlin.config import read_settings
from buildplate.drivers.marlin.errors import PortBusy, PortForbidden, PortMissing
from buildplate.drivers.marlin.port import opened
from buildplate.drivers.marlin.refusals import opening_failed
from buildplate.drivers.sdk import BadConnectionSettings


@pytest.fixture
def port() -> Iterator[str]:
    master, slave = os.openpty()
    yield os.ttyname(slave)
    os.close(slave)
    os.close(master)


def open_port(path: str) -> None:
    opened(read_settings({"port": path}), 115200, 1.0).close()


def test_a_port_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PortMissing, match="there is no port"):
        open_port(str(tmp_path / "ttyUSB7"))


def test_a_port_that_this_farm_has_already(port: str) -> None:
    settings = read_settings({"port": port})
    first = opened(settings, 115200, 1.0)
    with pytest.raises(PortBusy, match="this farm itself holds"):
        opened(settings, 115200, 1.0)
    first.close()
    opened(settings, 250000, 1.0).close()


def test_a_port_that_another_program_has_names_it(port: str) -> None:
    code = (
        "import fcntl, sys; f = open(sys.argv[1], 'rb+', buffering=0); fcntl.flock(f, 2); "
        "print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, port], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(PortBusy, match=f"process {other.pid}"):
            open_port(port)
        other.terminate()
    open_port(port)


def test_a_port_that_may_not_be_opened_names_the_group_and_the_command(tmp_path: Path) -> None:
    device = tmp_path / "ttyUSB0"
    device.touch(0o660)
    error = opening_failed(str(device), PermissionError(errno.EACCES, "Permission denied"))
    assert isinstance(error, PortForbidden)
    group = device.group()
    assert f"group {group}" in str(error)
    assert f"usermod -aG {group}" in error.hint
    device.chmod(0o600)
    alone = opening_failed(str(device), PermissionError(errno.EACCES, "Permission denied"))
    assert "usermod" not in alone.hint


@pytest.mark.parametrize(
    "port",
    [
        "ttyUSB0",
        "socket://printer",
        "rfc2217://h:1/x",
        "socket://u@h:1",
        "/dev/tty U",
        "http://h:1",
    ],
)
def test_what_no_port_is(port: str) -> None:
    with pytest.raises(BadConnectionSettings) as refused:
        read_settings({"port": port})
    assert "port" in refused.value.fields


def test_the_form_is_read_into_settings() -> None:
    settings = read_settings(
        {
            "port": "rfc2217://10.0.0.5:4000",
            "pause_park": "0, 200.5",
            "cancel_script": "M104 S0|M84 ; off",
        }
    )
    assert list(settings.network or ()) == ["rfc2217", "10.0.0.5", 4000]
    assert list(settings.parking.place or ()) == [0, 200.5]
    assert settings.cancel_script == ("M104 S0", "M84")


@pytest.mark.parametrize(
    "wrong", [{"baud": "fast"}, {"pause_park": "left"}, {"max_bed_c": float("nan")}, {"x": 1}]
)
def test_what_no_setting_is(wrong: dict[str, object]) -> None:
    with pytest.raises(BadConnectionSettings):
        read_settings({"port": "/dev/ttyUSB0", **wrong})
