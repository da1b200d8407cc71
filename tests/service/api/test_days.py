"""Days on a farm: restarts, failed copies, several printers, many people at once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from structlog.testing import capture_logs

from buildplate.access.model import Role
from tests.service.api.paper import KEY, PaperHost
from tests.service.api.surface import GCODE, Surface, open_surface

DUE = "2031-01-01T00:00:00Z"


def _tells(line: Mapping[str, Any], print_id: str, action: str) -> bool:
    return line.get("print_id") == print_id and line.get("action") == action


async def test_a_restart_brings_every_printer_job_and_print_back_as_they_are(
    tmp_path: Path,
) -> None:
    floor: dict[str, PaperHost] = {}
    async with open_surface(tmp_path, floor=floor) as first:
        _, print_ = await first.running()
        await first.client.patch(f"/api/v1/jobs/{print_['job_id']}", json={"copies": 2, "due": DUE})
        right = await first.printer("Right")
        await first.client.patch(f"/api/v1/printers/{right['id']}", json={"enabled": False})
    assert floor["Left"].mode == "printing"
    async with open_surface(tmp_path, floor=floor) as second:
        await second.until(1, link="online", print_id=print_["id"], bed="occupied")
        await second.until(2, enabled=False, bed="clear")
        await second.until_print(print_["id"], state="printing")
        job = (await second.client.get(f"/api/v1/jobs/{print_['job_id']}")).json()
        assert (job["state"], job["copies"], job["due"]) == ("active", 2, DUE)
        await floor["Left"].finish()
        await second.until_print(print_["id"], state="completed")
        await second.until(1, bed="occupied")
    assert len(floor["Left"].started) == 1


async def test_only_the_first_start_makes_an_admin_key(tmp_path: Path) -> None:
    async with open_surface(tmp_path) as first:
        (key,) = (await first.client.get("/api/v1/keys")).json()["items"]
        assert (key["name"], key["role"]) == ("first admin", Role.ADMIN)
        assert await first.farm.keys.first() is None
    async with open_surface(tmp_path) as second:
        assert await second.farm.keys.first() is None


async def test_a_failed_copy_is_tried_again_elsewhere_and_holds_up_nobody(
    surface: Surface,
) -> None:
    left = await surface.printer("Left")
    job = await surface.job(retries=1)
    (failing,) = await surface.prints(job["id"])
    await surface.until_print(failing["id"], state="printing")
    right = await surface.printer("Right")
    with capture_logs() as lines:
        await surface.floor["Left"].finish("failed")
        failed = await surface.until_print(failing["id"], state="failed")
        async with asyncio.timeout(5):  # the line follows the commit
            while not any(_tells(line, failing["id"], "print is failed") for line in lines):
                await asyncio.sleep(0.01)
    assert failed["reason"]

    async def retried() -> dict[str, object]:
        prints = await surface.prints(job["id"])
        return next(one for one in prints if one["id"] != failing["id"])

    again = await surface.until_print(str((await retried())["id"]), state="printing")
    assert (again["copy_no"], again["try_no"]) == (1, 2)
    assert again["printer_id"] == right["id"]
    await surface.clear(left["id"])
    other = await surface.job(name="another order")
    (print_,) = await surface.prints(other["id"])
    assert (await surface.until_print(print_["id"], state="printing"))["printer_id"] == left["id"]
    await surface.floor["Right"].finish()
    await surface.until_print(str(again["id"]), state="completed")
    assert (await surface.client.get(f"/api/v1/jobs/{job['id']}")).json()["state"] == "completed"


async def test_a_printer_that_clears_its_own_bed_goes_on_by_itself(surface: Surface) -> None:
    await surface.printer("Belt", bed_policy={"clear": "automatic"})
    job = await surface.job(copies=2)
    for print_ in await surface.prints(job["id"]):
        await surface.until_print(print_["id"], state="printing")
        await surface.floor["Belt"].finish()
        await surface.until_print(print_["id"], state="completed")
    await surface.until(1, bed="clear")


async def test_one_upload_is_printed_on_any_printer_and_again(surface: Surface) -> None:
    await surface.printer("Left")
    await surface.printer("Right")
    job = await surface.job(copies=2)
    for print_ in await surface.prints(job["id"]):
        await surface.until_print(print_["id"], state="printing")
    for n, name in enumerate(("Left", "Right"), start=1):
        await surface.floor[name].finish()
        await surface.until(n, bed="occupied", print_id=None)
    assert [len(surface.floor[name].started) for name in ("Left", "Right")] == [1, 1]
    again = (await surface.client.post(f"/api/v1/jobs/{job['id']}/duplicate")).json()
    assert again["file_id"] == job["file_id"]
    await surface.clear(1)
    await surface.clear(2)
    for print_ in await surface.prints(again["id"]):
        await surface.until_print(print_["id"], state="printing")
    assert len((await surface.client.get("/api/v1/files")).json()["items"]) == 1


async def test_printers_added_and_changed_by_many_at_once_stay_whole(surface: Surface) -> None:
    def body(name: str) -> dict[str, object]:
        return {"name": name, "driver": "paper", "connection": {"host": name, "api_key": KEY}}

    names = [f"P{n % 6}" for n in range(12)]
    post = surface.client.post
    answers = await asyncio.gather(*(post("/api/v1/printers", json=body(n)) for n in names))
    assert sorted(answer.status_code for answer in answers) == [201] * 6 + [409] * 6
    printers = (await surface.client.get("/api/v1/printers")).json()["items"]
    assert [one["number"] for one in printers] == [1, 2, 3, 4, 5, 6]
    assert {one["name"] for one in printers} == set(names)

    path = f"/api/v1/printers/{printers[0]['id']}"
    read = await surface.client.get(path)
    tag = {"if-match": read.headers["etag"]}
    patch = surface.client.patch
    changes = await asyncio.gather(
        *(patch(path, json={"location": f"Shelf {n}"}, headers=tag) for n in range(8))
    )
    assert [answer.status_code for answer in changes].count(200) == 1
    (kept,) = [answer.json()["location"] for answer in changes if answer.status_code == 200]
    assert (await surface.client.get(path)).json()["location"] == kept


async def test_a_start_on_another_database_loses_no_file(tmp_path: Path) -> None:
    async with open_surface(tmp_path) as surface:
        file = await surface.file()
    (tmp_path / "buildplate.db").rename(tmp_path / "kept.db")
    async with open_surface(tmp_path):
        pass
    (tmp_path / "kept.db").replace(tmp_path / "buildplate.db")
    async with open_surface(tmp_path) as surface:
        content = await surface.client.get(f"/api/v1/files/{file['id']}/content")
        assert content.content == GCODE


async def test_so_many_on_this_group_by_that_date_fan_out_and_only_failed_ones_are_retried(
    surface: Surface,
) -> None:
    hall = {
        (await surface.printer(name, group="hall"))["id"]: name for name in ("Hall A", "Hall B")
    }
    await surface.printer("Attic", group="attic")
    job = await surface.job(copies=3, due=DUE, retries=1, requirements={"group": "hall"})
    await surface.poll(
        f"/api/v1/jobs/{job['id']}/status",
        lambda seen: (
            sorted(one["state"] for one in seen["prints"]) == ["printing", "printing", "queued"]
        ),
    )
    prints = await surface.prints(job["id"])
    failing = next(one for one in prints if one["state"] == "printing")
    await surface.floor[hall[failing["printer_id"]]].finish("failed")
    await surface.until_print(failing["id"], state="failed")
    while await _ends_one(surface, hall):
        pass
    status = (await surface.client.get(f"/api/v1/jobs/{job['id']}/status")).json()
    assert (status["state"], status["finished"], status["failed"]) == ("completed", 3, 1)
    assert (status["due"], status["overdue"]) == (DUE, False)
    tries = sorted((one["copy_no"], one["try_no"]) for one in status["prints"])
    assert tries == sorted([(1, 1), (2, 1), (3, 1), (failing["copy_no"], 2)])
    assert {one["printer_id"] for one in status["prints"]} == set(hall)
    assert surface.floor["Attic"].started == []


async def _ends_one(surface: Surface, printers: Mapping[str, str]) -> bool:
    """Take what is made off a bed, or let a print end; False once nothing is left to do."""
    open_jobs = (await surface.client.get("/api/v1/jobs")).json()["items"]
    for printer, name in printers.items():
        seen = (await surface.client.get(f"/api/v1/printers/{printer}")).json()
        if seen["print_id"] is None and seen["bed"] == "occupied":
            await surface.clear(printer)
        elif seen["activity"] == "ours":
            await surface.floor[name].finish()
            await surface.until_print(seen["print_id"], state="completed")
    await asyncio.sleep(0.01)
    return any(one["state"] != "completed" for one in open_jobs)
