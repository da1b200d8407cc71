"""A farm whose disk is full while prints run: it waits without haste, and loses nothing."""

from __future__ import annotations

import asyncio
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from buildplate_sim.launch import octoprints
from tests.faults.farms import nursery
from tests.faults.truth import judge
from tests.faults.worlds import DATABASE, Setting, World, empty_database, part, world

if TYPE_CHECKING:
    from pathlib import Path

FACTOR = 25.0
DISK = "80m"
FULL_S = 3.0
PRINTERS = 2
NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount")


@pytest.mark.timeout(120)
async def test_a_disk_full_while_prints_run_delays_the_farm_and_loses_nothing(
    tmp_path: Path,
) -> None:
    if not _namespaces_work():
        pytest.skip("user namespaces are not available here, so no small disk can be mounted")
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = f'mount -t tmpfs -o size={DISK} tmpfs {disk} && exec "$@"'
    async with (
        nursery() as usual,
        nursery(through=(*NAMESPACE, "sh", "-c", mount, "sh")) as farms,
        octoprints(
            tmp_path / "printers",
            count=PRINTERS,
            time_factor=FACTOR,
            base_address="127.0.34.10",
            more=["--push-interval=0.1"],
        ) as simulator,
    ):
        template = await empty_database(usual, tmp_path / "empty")
        setting = Setting(
            farms, simulator.admin, simulator.printers, disk, FACTOR, template=template
        )
        async with world(setting) as here:
            await _live_through_it(here, setting.seen)


def _namespaces_work() -> bool:
    return not subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False).returncode


async def _live_through_it(here: World, disk: Path) -> None:
    assert (disk / DATABASE).exists()
    await here.furnish()
    job = await here.order(part("full", 20), 4)
    await here.until_print(job, "printing")
    before = here.log_tail(1 << 20).count("printer.storage")
    filler = disk / "filler"
    await asyncio.to_thread(_fill, filler)
    await asyncio.sleep(FULL_S)
    warned = here.log_tail(1 << 20).count("printer.storage") - before
    await asyncio.to_thread(filler.unlink)
    await here.until_finished()
    assert not judge(here.orders, await here.count(), (await here.state())["prints"])
    assert not await here.asked_about(), "the evidence was there"
    # One try each back-off (1 s, scaled) would be 75 for each printer.
    most = PRINTERS * FULL_S * FACTOR
    assert "Traceback" not in here.log_tail(1 << 20), "a full disk is no surprise"
    assert 0 < warned <= most, f"{warned} tries to write in {FULL_S} s, expected at most {most}"


def _fill(filler: Path) -> None:
    block = bytes(4096)
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                os.write(file.fileno(), block)
        except OSError:
            return
