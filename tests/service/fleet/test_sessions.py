"""A printer has one session, whatever people and faults do to it, and none of them holds it up."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from buildplate.core.printers import Activity
from buildplate.drivers.sdk import Answer, FileBody
from tests.service.api.paper import PaperDriver
from tests.service.api.surface import Surface, open_surface

Monkey = pytest.MonkeyPatch


async def test_a_print_on_its_way_to_a_printer_that_is_disabled_goes_back_to_the_queue(
    surface: Surface, monkeypatch: Monkey
) -> None:
    async def hang(_driver: PaperDriver, _name: str, _body: FileBody) -> str:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(PaperDriver, "upload", hang)
    printer = await surface.printer()
    job = await surface.job()
    (print_,) = await surface.prints(job["id"])
    await surface.until_print(print_["id"], state="transferring")
    record = await surface.farm.fleet.get(printer["id"])
    changed = {"enabled": False}
    answer = await surface.client.patch(
        f"/api/v1/printers/{printer['id']}",
        json=changed,
        headers={"if-match": f'"{record.version}"'},
    )
    assert answer.is_success, answer.text
    await surface.until_print(print_["id"], state="queued")


async def test_a_session_that_failed_during_a_command_does_not_wait_for_its_answer_for_ever(
    surface: Surface, monkeypatch: Monkey
) -> None:
    async def fail(_driver: PaperDriver) -> Answer:
        message = "a mistake in the driver"
        raise RuntimeError(message)

    _, print_ = await surface.running()
    monkeypatch.setattr(PaperDriver, "pause", fail)
    answer = await surface.client.post(f"/api/v1/prints/{print_['id']}/pause")
    command = answer.json()["command_id"]
    await surface.poll(f"/api/v1/commands/{command}", lambda seen: seen["state"] == "settled")


async def test_two_people_reconnecting_a_printer_at_once_leave_it_one_session(
    surface: Surface,
) -> None:
    printer = await surface.printer()
    await surface.floor["Left"].halt()
    await surface.until(printer["id"], activity="halted")
    fleet = surface.farm.fleet
    await asyncio.gather(*(fleet.connect(printer["id"]) for _ in range(3)))
    await surface.until(printer["id"], activity="idle")
    sessions = [t for t in asyncio.all_tasks() if t.get_name().startswith("printer ")]
    assert len(sessions) == 1


async def test_nothing_is_deleted_on_a_printer_by_a_node_that_lost_its_lease(
    surface: Surface, tmp_path: Path
) -> None:
    host, print_ = await surface.running()
    (tmp_path / "buildplate.db.lock").unlink()
    session = surface.farm.fleet.session(print_["printer_id"])
    while session.parts.lease.hold():
        await asyncio.sleep(0.01)
    await host.finish()
    await asyncio.sleep(1.0)
    assert list(host.files) == host.started
    assert (await surface.until_print(print_["id"]))["state"] == "printing"
    assert not session.as_printer().status.node_alive


async def test_a_word_said_before_the_printer_was_out_of_sight_must_be_said_again(
    surface: Surface,
) -> None:
    host, print_ = await surface.running()
    await host.forget()
    await surface.until_print(print_["id"], state="needs_attention")
    body = {"outcome": "failed", "bed": "clear"}
    answer = await surface.client.post(f"/api/v1/prints/{print_['id']}/resolve", json=body)
    assert answer.is_success, answer.text
    await host.vanish()
    await surface.until(print_["printer_id"], link="offline")
    host.runs.append(["theirs.gcode", "completed"])
    await host.return_()
    await surface.until_print(print_["id"], state="needs_attention", resolution=None)
    seen = (await surface.client.get(f"/api/v1/printers/{print_['printer_id']}")).json()
    assert seen["bed"] != "clear"
    again = {"outcome": "failed", "bed": "occupied"}
    await surface.client.post(f"/api/v1/prints/{print_['id']}/resolve", json=again)
    await surface.until_print(print_["id"], state="failed")
    await surface.until(print_["printer_id"], bed="occupied")


async def test_a_bed_said_to_be_clear_is_clear_when_the_printer_was_watched(
    surface: Surface,
) -> None:
    host, print_ = await surface.running()
    await host.forget()
    await surface.until_print(print_["id"], state="needs_attention")
    body = {"outcome": "failed", "bed": "clear"}
    await surface.client.post(f"/api/v1/prints/{print_['id']}/resolve", json=body)
    await surface.until_print(print_["id"], state="failed")
    await surface.until(print_["printer_id"], bed="clear")


async def test_a_running_print_tells_when_its_printer_is_free(surface: Surface) -> None:
    _, print_ = await surface.running()
    session = surface.farm.fleet.session(print_["printer_id"])
    status = session.as_printer().status
    assert status.activity is Activity.OURS
    assert status.expected_free is not None
    left = (status.expected_free - surface.farm.clock.now()).total_seconds()
    assert 50 < left <= 60


async def test_a_farm_that_is_told_to_stop_waits_for_the_answer_to_a_start(
    tmp_path: Path, monkeypatch: Monkey
) -> None:
    sent, answered = asyncio.Event(), asyncio.Event()
    start = PaperDriver.start

    async def slow(driver: PaperDriver, path: str) -> Answer:
        sent.set()
        await asyncio.sleep(0.2)
        answer = await start(driver, path)
        answered.set()
        return answer

    monkeypatch.setattr(PaperDriver, "start", slow)
    async with open_surface(tmp_path) as surface:
        await surface.printer()
        await surface.job()
        await sent.wait()
    assert answered.is_set()
