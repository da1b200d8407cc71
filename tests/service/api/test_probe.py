"""A connection that is tried: what its driver warns of, and why a port cannot be used."""

from __future__ import annotations

import os
import pty
import select
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import serialx

from buildplate.app.drivers import installed_drivers
from tests.service.api.paper import KEY, PaperHost
from tests.service.api.surface import Surface, open_surface

PATH = "/api/v1/printers/probe"
OTHERS = "Moonraker's own queue may start prints on this printer, too"


@pytest.fixture(name="surface")
async def _surface(tmp_path: Path) -> AsyncIterator[Surface]:
    async with open_surface(tmp_path, drivers=installed_drivers()) as found:
        yield found


@contextmanager
def port(answer: bytes = b"") -> Iterator[str]:
    """A serial port, on which this is said to whatever is asked."""
    ours, theirs = pty.openpty()
    ended = threading.Event()

    def speak() -> None:
        while not ended.is_set():
            if select.select([ours], [], [], 0.05)[0]:
                os.read(ours, 1000)
                os.write(ours, answer)

    speaking = threading.Thread(target=speak)
    speaking.start()
    try:
        yield os.ttyname(theirs)
    finally:
        ended.set()
        speaking.join()
        os.close(ours)
        os.close(theirs)


async def tried(surface: Surface, **connection: Any) -> dict[str, Any]:
    body = {"driver": "marlin", "connection": connection}
    answer = await surface.client.post(PATH, json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_whoever_else_may_start_prints_is_warned_of(surface: Surface) -> None:
    surface.floor["shared"] = PaperHost("shared", warnings=(OTHERS,))
    body = {"driver": "paper", "connection": {"host": "shared", "api_key": KEY}}
    found = (await surface.client.post(PATH, json=body)).json()
    assert (found["ok"], found["warnings"]) == (True, [OTHERS])


async def test_a_port_that_is_not_there_is_named(surface: Surface, tmp_path: Path) -> None:
    found = await tried(surface, port=str(tmp_path / "ttyUSB7"))
    assert (found["ok"], found["code"]) == (False, "serial_port_missing")
    assert "ttyUSB7" in found["detail"]


async def test_a_port_that_another_program_holds_says_which(surface: Surface) -> None:
    with port() as busy:
        held = serialx.serial_for_url(busy, baudrate=115200, exclusive=True)
        held.open()
        try:
            found = await tried(surface, port=busy)
        finally:
            held.close()
    assert (found["ok"], found["code"]) == (False, "serial_port_busy")
    assert busy in found["detail"]
    assert found["hint"]


async def test_a_port_without_permission_names_the_command(
    surface: Surface, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    with port() as closed, monkeypatch.context() as patched:
        patched.setattr(serialx.Serial, "open", refuse)
        patched.setattr("buildplate.drivers.marlin.refusals._group", lambda _: "dialout")
        found = await tried(surface, port=closed)
    assert (found["ok"], found["code"]) == (False, "serial_permission")
    assert "usermod -aG dialout" in found["hint"]


async def test_a_wrong_baud_rate_is_said(surface: Surface) -> None:
    with port(bytes(range(0x80, 0xC0))) as odd:
        found = await tried(surface, port=odd, baud=115200)
    assert (found["ok"], found["code"]) == (False, "serial_wrong_baud")
    assert "115200" in found["detail"]
