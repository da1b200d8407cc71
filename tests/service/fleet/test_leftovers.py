"""What lies on a printer: files of ours go, those of people stay, a lost past stops the farm."""

from __future__ import annotations

import asyncio
from pathlib import Path

import uuid_utils

from buildplate.core.upload_names import upload_name
from buildplate.dispatch.transitions import farm_stopped
from tests.service.api.paper import PaperHost
from tests.service.api.surface import Surface, open_surface


async def test_files_of_people_stay_and_ours_go(surface: Surface) -> None:
    surface.floor["Left"] = host = PaperHost("Left")
    host.files |= {"bp-bracket.gcode": "", "bp-holder-1.gcode": "", "part.gcode": ""}
    theirs = set(host.files)
    await surface.printer("Left")
    _, print_ = await surface.running("Left")
    await host.finish()
    await surface.until_print(print_["id"], state="completed")
    async with asyncio.timeout(5):
        while set(host.files) != theirs:
            await asyncio.sleep(0.01)


async def test_a_farm_whose_database_is_older_than_its_printers_stops_until_a_person_looked(
    tmp_path: Path,
) -> None:
    floor: dict[str, PaperHost] = {}
    async with open_surface(tmp_path, floor=floor) as first:
        printer = await first.printer()
    lost = upload_name(str(uuid_utils.uuid7()), 1)
    floor["Left"].files[lost] = ""
    async with open_surface(tmp_path, floor=floor) as second:
        async with asyncio.timeout(5):
            while not await second.farm.storage.read(farm_stopped):
                await asyncio.sleep(0.01)
        job = await second.job()
        (print_,) = await second.prints(job["id"])
        told = (await second.client.get(f"/api/v1/prints/{print_['id']}/waiting")).text
        assert "farm_stopped" in told
        assert lost in floor["Left"].files
        await second.client.post("/api/v1/queue/release")
        await second.until_print(print_["id"], state="printing")
    async with open_surface(tmp_path, floor=floor) as third:
        await third.until(printer["id"], link="online")
        await asyncio.sleep(0.2)
        assert not await third.farm.storage.read(farm_stopped)
        assert lost in floor["Left"].files
