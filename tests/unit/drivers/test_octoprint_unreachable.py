"""A host that cannot be reached is tried again for weeks: each try leaves nothing behind."""

from __future__ import annotations

import gc
import socket

import pytest

from buildplate.drivers.octoprint import DRIVER
from buildplate.drivers.sdk import DriverTimings, PrinterOffline

TRIES = 20


async def test_a_refused_connection_leaves_nothing_for_the_garbage_collector() -> None:
    with socket.socket() as bound:  # nobody listens
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        await _refused(url)  # what is made once is there
        gc.collect()
        gc.disable()
        try:
            for _ in range(TRIES):
                await _refused(url)
            assert gc.collect() < TRIES
        finally:
            gc.enable()


async def _refused(url: str) -> None:
    driver = DRIVER.make({"url": url, "api_key": "k1234567890"}, DriverTimings())
    with pytest.raises(PrinterOffline):
        await driver.connect()
    await driver.close()
