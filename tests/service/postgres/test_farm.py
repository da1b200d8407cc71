"""A whole farm on PostgreSQL: an order becomes a print, and the bed is cleared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests import postgres
from tests.service.api.surface import open_surface

if TYPE_CHECKING:
    from pathlib import Path


async def test_an_order_is_printed_and_cleared_on_postgresql(tmp_path: Path) -> None:
    database = postgres.new_database(empty=True)
    async with open_surface(tmp_path, database=database) as surface:
        printer = await surface.printer()
        job = await surface.job(copies=2, name="two on one bed after the other")
        first, second = await surface.prints(job["id"])
        await surface.until_print(first["id"], state="printing")
        await surface.floor["Left"].finish()
        await surface.until_print(first["id"], state="completed")
        seen = await surface.until(printer["id"], bed="occupied")
        assert (await surface.prints(job["id"]))[1]["state"] == "queued"
        answer = await surface.clear(seen["id"])
        assert answer.is_success, answer.text
        await surface.until_print(second["id"], state="printing")
        await surface.floor["Left"].finish()
        await surface.until_print(second["id"], state="completed")
        status = (await surface.client.get(f"/api/v1/jobs/{job['id']}/status")).json()
        assert status["state"] == "completed"
    assert not (tmp_path / "buildplate.db").exists()


async def test_a_farm_on_postgresql_goes_on_where_it_stopped(tmp_path: Path) -> None:
    database = postgres.new_database()
    async with open_surface(tmp_path, database=database) as surface:
        _, print_ = await surface.running()
        floor = surface.floor
    async with open_surface(tmp_path, database=database, floor=floor) as surface:
        await surface.until_print(print_["id"], state="printing")
        await floor["Left"].finish()
        await surface.until_print(print_["id"], state="completed")
