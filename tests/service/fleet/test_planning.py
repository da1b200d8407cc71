"""What makes the farm plan, and what does not."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from buildplate.dispatch import repository
from buildplate.files.model import FileState
from buildplate.files.repository import store_analysis
from tests.service.api.surface import open_surface

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.service.api.surface import Surface


def count_rounds(surface: Surface, monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """Grows by one for each reading of the queue."""
    rounds: list[None] = []
    read = surface.farm.storage.read

    async def counted(script: Any, *args: Any) -> Any:
        if script is repository.read_waiting:
            rounds.append(None)
        return await read(script, *args)

    monkeypatch.setattr(surface.farm.storage, "read", counted)
    return rounds


def stored(folder: Path, sha256: str) -> Path:
    """Where the content lies on the disk."""
    return next(path for path in folder.rglob("*") if sha256[2:] in path.name)


async def test_while_no_print_waits_printers_make_nobody_plan(
    surface: Surface, monkeypatch: pytest.MonkeyPatch
) -> None:
    host, print_ = await surface.running()
    await surface.printer("Right")
    rounds = count_rounds(surface, monkeypatch)
    right = surface.floor["Right"]
    await right.print_foreign()
    await surface.until(2, activity="foreign")
    await right.finish()
    await surface.until(2, activity="idle")
    await surface.clear(2)
    await asyncio.sleep(0.05)
    assert not rounds
    again = await surface.job()
    (waiting,) = await surface.prints(again["id"])
    await surface.until_print(waiting["id"], state="printing")
    assert rounds
    await host.finish()
    await surface.until_print(print_["id"], state="completed")


async def test_while_a_print_waits_a_printer_that_becomes_fit_gets_it(surface: Surface) -> None:
    await surface.printer()
    job = await surface.job(requirements={"tags_all": ["enclosed"]})
    (print_,) = await surface.prints(job["id"])
    await asyncio.sleep(0.05)
    assert (await surface.until_print(print_["id"], state="queued"))["printer_id"] is None
    path = "/api/v1/printers/1"
    tag = (await surface.client.get(path)).headers["etag"]
    changed = await surface.client.patch(
        path, json={"tags": ["enclosed"]}, headers={"If-Match": tag}
    )
    assert changed.is_success, changed.text
    await surface.until_print(print_["id"], state="printing")


async def test_a_file_whose_content_is_gone_is_given_back_and_goes_on_once_it_is_there_again(
    tmp_path: Path,
) -> None:
    async with open_surface(tmp_path) as surface:
        file = await surface.file()
        await surface.printer()
        blob = stored(tmp_path, file["sha256"])
        kept = blob.read_bytes()
        blob.unlink()
        order = {"file_id": file["id"]}
        job = (await surface.client.post("/api/v1/jobs", json=order)).json()
        (print_,) = await surface.prints(job["id"])
        path = f"/api/v1/prints/{print_['id']}"
        told = await surface.poll(path, lambda seen: bool(seen["reason"]))
        assert "is not in the store" in told["reason"], told
        assert not surface.floor["Left"].started
        blob.write_bytes(kept)
        await surface.until_print(print_["id"], state="printing")


async def test_a_file_that_could_not_be_read_is_planned_by_what_a_second_upload_shows(
    surface: Surface,
) -> None:
    file = await surface.file()
    seen = await surface.poll(f"/api/v1/files/{file['id']}", lambda one: one["state"] == "ready")
    storage, known = surface.farm.storage, await surface.farm.files.get(file["id"])
    await storage.write(store_analysis, file["id"], FileState.UNREADABLE, None)
    surface.farm.joined_files.forget(file["id"])
    facts = await surface.farm.joined_files.facts({file["id"]})
    assert facts[file["id"]].box is None
    await storage.write(store_analysis, file["id"], FileState.READY, known.analysis)
    facts = await surface.farm.joined_files.facts({file["id"]})
    assert seen["state"] == "ready"
    assert facts[file["id"]].box is not None
