"""What was done after a backup: a restored farm takes none of it for what it knows.

Printers on paper: the backup is taken at one moment of a print, the farm goes on, and comes back
from its backup to printers that have seen more than its database.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import uuid_utils

from buildplate.core.upload_names import read_upload_name, upload_name
from buildplate.dispatch.forgotten import LONGEST_REASON, MORE_REASONS, joined
from tests.service.api.paper import PaperDriver, PaperHost
from tests.service.api.surface import Surface, open_surface
from tests.service.backups.backing import PASSPHRASE, brought_back, fetched, taken


class Past:
    """A farm whose backup is older than its printers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.floor: dict[str, PaperHost] = {}

    @asynccontextmanager
    async def first_life(self) -> AsyncIterator[Surface]:
        async with open_surface(self.folder / "farm", floor=self.floor) as surface:
            await surface.printer("Left")
            yield surface

    async def back_up(self, surface: Surface) -> None:
        found = await taken(surface, PASSPHRASE)
        await fetched(surface, found["id"], self.folder / "backup.tar")

    @asynccontextmanager
    async def second_life(self) -> AsyncIterator[Surface]:
        await brought_back(self.folder / "backup.tar", self.folder / "new")
        async with open_surface(self.folder / "new", floor=self.floor) as surface:
            yield surface

    @property
    def left(self) -> PaperHost:
        return self.floor["Left"]


async def release(surface: Surface) -> None:
    """As soon as the farm lets itself be released."""
    async with asyncio.timeout(10):
        while (await surface.client.post("/api/v1/queue/release")).status_code != 200:
            await asyncio.sleep(0.02)


async def only_print(surface: Surface) -> dict[str, Any]:
    (print_,) = (await surface.client.get("/api/v1/prints")).json()["items"]
    found: dict[str, Any] = print_
    return found


async def events_of(surface: Surface, kind: str, count: int) -> list[dict[str, Any]]:
    """The events of this kind, once there are so many: they are in the log soon after the fact."""
    async with asyncio.timeout(10):
        while True:
            events = (await surface.client.get("/api/v1/events?limit=1000")).json()["items"]
            found = [one for one in events if one["kind"] == kind]
            if len(found) >= count:
                return found
            await asyncio.sleep(0.02)


async def told_of(surface: Surface, path: str) -> None:
    """The farm has found the file, and says so."""
    async with asyncio.timeout(10):
        while not any(path in str(one) for one in await events_of(surface, "queue.stopped", 0)):
            await asyncio.sleep(0.02)


async def test_a_print_that_waited_and_was_started_since_is_not_started_again(
    tmp_path: Path,
) -> None:
    past = Past(tmp_path)
    async with past.first_life() as first:
        await first.client.post("/api/v1/queue/stop", json={})
        job = await first.job()
        await past.back_up(first)
        await release(first)
        await first.until_print((await only_print(first))["id"], state="printing")
    (sent,) = past.left.files
    async with past.second_life() as second:
        assert (await only_print(second))["state"] == "queued"
        await told_of(second, sent)
        await past.left.finish()
        await release(second)
        (printer,) = (await second.client.get("/api/v1/printers")).json()["items"]
        await second.clear(printer["id"])
        await asyncio.sleep(0.5)
        assert past.left.started == [sent], "it was made already"
        assert sent in past.left.files, "the evidence stays"
        status = (await second.client.get(f"/api/v1/jobs/{job['id']}/status")).json()
        assert status["hold"] is True, "a person decides"


async def test_made_again_by_a_person_s_word_it_gets_a_name_that_was_never_used(
    tmp_path: Path,
) -> None:
    past = Past(tmp_path)
    async with past.first_life() as first:
        await first.client.post("/api/v1/queue/stop", json={})
        job = await first.job()
        await past.back_up(first)
        await release(first)
        await first.until_print((await only_print(first))["id"], state="printing")
        await past.left.halt()
    (sent,) = past.left.files
    past.left.mode = "idle"
    async with past.second_life() as second:
        await told_of(second, sent)
        await release(second)
        (printer,) = (await second.client.get("/api/v1/printers")).json()["items"]
        await second.clear(printer["id"])
        await second.client.post(f"/api/v1/jobs/{job['id']}/release")
        await second.until_print((await only_print(second))["id"], state="printing")
    before, again = past.left.started
    first_name, second_name = read_upload_name(before), read_upload_name(again)
    assert first_name is not None
    assert second_name is not None
    assert first_name[0] == second_name[0], "the same print"
    assert first_name[1] < second_name[1]


async def test_a_file_on_its_way_at_the_backup_may_have_been_started_since(
    tmp_path: Path, monkeypatch: Any
) -> None:
    """The backup knows this very name as an upload; only the printer knows that it ran."""
    past, arrived, go_on = Past(tmp_path), asyncio.Event(), asyncio.Event()
    fetch = PaperDriver.fetch_sha256

    async def slow(driver: PaperDriver, path: str) -> str | None:
        arrived.set()
        await go_on.wait()
        return await fetch(driver, path)

    monkeypatch.setattr(PaperDriver, "fetch_sha256", slow)
    async with past.first_life() as first:
        await first.job()
        await arrived.wait()
        await first.until_print((await only_print(first))["id"], state="transferring")
        await past.back_up(first)
        go_on.set()
        await first.until_print((await only_print(first))["id"], state="printing")
    monkeypatch.undo()
    (sent,) = past.left.files
    await past.left.finish()
    async with past.second_life() as second:
        assert (await only_print(second))["state"] == "queued"
        await told_of(second, sent)
        await release(second)
        (printer,) = (await second.client.get("/api/v1/printers")).json()["items"]
        await second.clear(printer["id"])
        await asyncio.sleep(0.5)
        assert past.left.started == [sent]
        assert sent in past.left.files


async def test_a_leftover_beside_an_active_print_is_found_before_the_farm_is_released(
    tmp_path: Path,
) -> None:
    past = Past(tmp_path)
    async with past.first_life() as first:
        await first.job()
        await first.until_print((await only_print(first))["id"], state="printing")
        await past.back_up(first)
        await past.left.finish()
        await first.until_print((await only_print(first))["id"], state="completed")
        (printer,) = (await first.client.get("/api/v1/printers")).json()["items"]
        await first.clear(printer["id"])
        await first.job(name="after the backup")
        await first.poll(
            "/api/v1/prints?state=printing", lambda found: bool(len(found["items"]) == 1)
        )
    (lost,) = past.left.files
    past.left.memory += 1  # its history went with the file, as on an OctoPrint
    async with past.second_life() as second:
        print_ = await only_print(second)
        await second.until_print(print_["id"], state="needs_attention")
        await told_of(second, lost)
        farm = (await second.client.get("/api/v1/queue")).json()
        assert farm["stopped"] is True
        assert past.left.files == {lost: past.left.files[lost]}


async def test_a_print_that_goes_on_is_seen_to_its_end_once_and_no_more(tmp_path: Path) -> None:
    past = Past(tmp_path)
    async with past.first_life() as first:
        await first.job()
        await first.until_print((await only_print(first))["id"], state="printing")
        await past.back_up(first)
    async with past.second_life() as second:
        print_ = await only_print(second)
        await second.until_print(print_["id"], state="printing")
        await past.left.finish()
        await second.until_print(print_["id"], state="completed")
        await release(second)
        await asyncio.sleep(0.3)
        assert len(past.left.started) == 1
        assert past.left.files == {}


async def test_a_pause_that_was_asked_for_then_is_not_carried_out_now(
    tmp_path: Path, monkeypatch: Any
) -> None:
    past, held = Past(tmp_path), asyncio.Event()

    async def never(*_: Any) -> None:
        await held.wait()

    async with past.first_life() as first:
        await first.job()
        print_ = await first.until_print((await only_print(first))["id"], state="printing")
        monkeypatch.setattr("buildplate.dispatch.steward.Steward._store_order", never)
        asked = await first.client.post(f"/api/v1/prints/{print_['id']}/pause")
        assert asked.status_code == 202
        await past.back_up(first)
    monkeypatch.undo()
    async with past.second_life() as second:
        await second.until_print(print_["id"], state="printing")
        await asyncio.sleep(0.3)
        assert past.left.mode == "printing"
        command = asked.json()["command_id"]
        found = (await second.client.get(f"/api/v1/commands/{command}")).json()
        assert found["state"] == "settled"


async def test_a_farm_is_not_released_before_every_printer_was_looked_at(
    tmp_path: Path,
) -> None:
    past = Past(tmp_path)
    async with past.first_life() as first:
        await past.back_up(first)
    await past.left.vanish()
    async with past.second_life() as second:
        (printer,) = (await second.client.get("/api/v1/printers")).json()["items"]
        await second.until(printer["id"], link="offline")
        refused = await second.client.post("/api/v1/queue/release")
        assert (refused.status_code, refused.json()["code"]) == (409, "printers_unseen")
        assert "Left" in refused.json()["detail"]
        anyway = await second.client.post("/api/v1/queue/release", json={"anyway": True})
        assert anyway.status_code == 200
        await second.client.post("/api/v1/queue/stop", json={})
        again = await second.client.post("/api/v1/queue/release")
        assert again.status_code == 200, "an ordinary stop asks for nothing of the sort"


async def test_a_print_made_after_the_backup_is_lost_also_on_a_printer_that_is_newer(
    tmp_path: Path,
) -> None:
    past = Past(tmp_path)
    async with past.first_life() as first:
        await past.back_up(first)
        await first.running("Left")
        await first.running("Right")
    (lost,) = past.floor["Right"].files
    await past.floor["Right"].finish()
    async with past.second_life() as second:
        await second.printer("Right")  # taken in anew, after its file was made
        await told_of(second, lost)
        assert lost in past.floor["Right"].files


async def test_a_copy_that_may_have_been_replaced_since_waits_for_a_person(tmp_path: Path) -> None:
    past = Past(tmp_path)
    async with past.first_life() as first:
        job = await first.job()
        await first.until_print((await only_print(first))["id"], state="printing")
        await past.back_up(first)
    past.left.files.clear()  # it failed, and was made again elsewhere
    await past.left.forget()
    async with past.second_life() as second:
        print_ = await only_print(second)
        await second.until_print(print_["id"], state="needs_attention")
        said = {"outcome": "failed", "bed": "clear"}
        answer = await second.client.post(f"/api/v1/prints/{print_['id']}/resolve", json=said)
        assert answer.status_code == 202, answer.text
        await second.until_print(print_["id"], state="failed")
        (again,) = (await second.client.get("/api/v1/prints?state=queued")).json()["items"]
        status = (await second.client.get(f"/api/v1/jobs/{job['id']}/status")).json()
        assert status["hold"] is True, "a person decides"
        (held,) = await events_of(second, "job.held", 1)
        assert held["job_id"] == job["id"]
        assert "release the job if not" in held["data"]["reason"]
        await release(second)
        await second.client.post(f"/api/v1/jobs/{job['id']}/release")
        await second.until_print(again["id"], state="printing")
        await past.left.finish("failed")
        await second.until_print(again["id"], state="failed")
        status = (await second.client.get(f"/api/v1/jobs/{job['id']}/status")).json()
        assert status["hold"] is False, "what it replaced later is known"


async def test_of_many_files_on_a_printer_each_is_told_of_beside_the_restore(
    tmp_path: Path,
) -> None:
    past = Past(tmp_path)
    async with past.first_life() as first:
        await past.back_up(first)
    lost = [upload_name(str(uuid_utils.uuid7()), 1) for _ in range(3)]
    past.left.files |= dict.fromkeys(lost, "")
    async with past.second_life() as second:
        await told_of(second, lost[0])
        (printer,) = (await second.client.get("/api/v1/printers")).json()["items"]
        of_restore, of_files = await events_of(second, "queue.stopped", 2)
        assert of_files["printer_id"] == printer["id"]
        assert sorted(of_files["data"]["files"]) == lost
        why = (await second.client.get("/api/v1/queue")).json()["stopped_reason"]
        assert why.startswith(of_restore["data"]["reason"]), "when the backup was taken"
        assert all(path in why for path in lost)


def test_the_reason_of_a_stop_grows_no_further_than_a_person_reads() -> None:
    why = "restored"
    for number in range(200):
        why = joined(why, f"printer {number} keeps files of prints that this farm does not know")
    assert why.startswith("restored; printer 0 ")
    assert why.count(MORE_REASONS) == 1
    assert len(why) <= LONGEST_REASON + len(MORE_REASONS)
    assert joined(why, "printer 0 keeps") == why, "said already"


async def test_a_printer_that_was_disabled_at_the_backup_is_looked_at_as_well(
    tmp_path: Path,
) -> None:
    past = Past(tmp_path)
    async with past.first_life() as first:
        (printer,) = (await first.client.get("/api/v1/printers")).json()["items"]
        path = f"/api/v1/printers/{printer['id']}"
        off = await first.client.patch(path, json={"enabled": False})
        assert off.status_code == 200, off.text
        await past.back_up(first)
    async with past.second_life() as second:
        await second.until(printer["id"], link="disabled")
        refused = await second.client.post("/api/v1/queue/release")
        assert (refused.status_code, refused.json()["code"]) == (409, "printers_unseen")
        assert "Left" in refused.json()["detail"]
        await second.client.patch(path, json={"enabled": True})
        await release(second)
