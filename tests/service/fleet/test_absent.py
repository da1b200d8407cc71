"""A farm opens without one of its drivers; a bed is not cleared while somebody prints on it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from buildplate.app.composition import open_farm
from buildplate.app.settings import Settings
from tests.service.api.surface import FASTER, Surface, open_surface


async def test_a_printer_whose_driver_is_not_installed_holds_up_nobody(tmp_path: Path) -> None:
    async with open_surface(tmp_path) as surface:
        added = await surface.printer()
    settings = Settings(data_dir=tmp_path, time_factor=FASTER, _env_file=None)
    async with open_farm(settings, {}) as farm:
        live = farm.fleet.session(added["id"]).live
        async with asyncio.timeout(5):
            while "not installed" not in live.problem:
                await asyncio.sleep(0.01)
        assert "Install" in live.hint


async def test_a_bed_is_not_cleared_while_somebody_is_seen_to_print_on_it(
    surface: Surface,
) -> None:
    printer = await surface.printer()
    await surface.floor["Left"].print_foreign()
    await surface.until(printer["id"], activity="foreign", bed="occupied")
    assert (await surface.clear(printer["id"])).json()["code"] == "printer_has_active_print"
