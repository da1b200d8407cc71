"""What is left half done by a write, a read or a claim that failed is taken up again, once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from buildplate.dispatch import transitions
from buildplate.drivers.sdk import PrinterOffline
from buildplate.fleet import ledger, repository
from buildplate.storage import ConstraintViolated, StorageError
from tests.service.api.paper import PaperDriver
from tests.service.api.surface import Surface

Monkey = pytest.MonkeyPatch
Write = Callable[..., Awaitable[Any]]


class Trouble:
    """Fails the first write of one script: before it is carried out, or `after`."""

    def __init__(
        self, write: Write, script: object, error: Exception, *, after: bool = False
    ) -> None:
        self._write = write
        self._script = script
        self._error = error
        self._after = after
        self.arguments: list[tuple[Any, ...]] = []

    async def __call__(self, script: Any, *args: Any, **kwargs: Any) -> Any:
        if script is not self._script:
            return await self._write(script, *args, **kwargs)
        self.arguments.append(args)
        first = len(self.arguments) == 1
        if first and not self._after:
            raise self._error
        done = await self._write(script, *args, **kwargs)
        if first:
            raise self._error
        return done


def trouble(
    monkeypatch: Monkey, surface: Surface, script: object, error: Exception, *, after: bool = False
) -> Trouble:
    storage = surface.farm.storage
    made = Trouble(storage.write, script, error, after=after)
    monkeypatch.setattr(storage, "write", made)
    return made


async def test_an_order_that_is_dropped_is_closed_although_the_first_write_of_it_fails(
    surface: Surface, monkeypatch: Monkey
) -> None:
    host, print_ = await surface.running()
    closing = trouble(monkeypatch, surface, ledger.close_command, StorageError("a disk that fails"))
    stored = surface.farm.storage.write

    async def paused_at_the_printer(script: Any, *args: Any) -> Any:
        if script is ledger.store_order:
            host.mode = "paused"
        return await stored(script, *args)

    monkeypatch.setattr(surface.farm.storage, "write", paused_at_the_printer)
    answer = await surface.client.post(f"/api/v1/prints/{print_['id']}/pause")
    path = f"/api/v1/commands/{answer.json()['command_id']}"
    closed = await surface.poll(path, lambda seen: seen["state"] == "settled")
    assert closed["answer"] == "not sent: the print is paused already"
    assert len(closing.arguments) == 2
    again = await surface.client.post(f"/api/v1/prints/{print_['id']}/resume")
    path = f"/api/v1/commands/{again.json()['command_id']}"
    await surface.poll(path, lambda seen: seen["state"] == "answered")


async def test_a_session_that_fails_after_a_commit_goes_on_from_what_is_stored(
    surface: Surface, monkeypatch: Monkey
) -> None:
    printer = await surface.printer()
    observing = trouble(
        monkeypatch, surface, repository.observe_bed, RuntimeError("a mistake"), after=True
    )
    session = surface.farm.fleet.session(printer["id"])
    before = session.record.bed_version
    await surface.floor["Left"].print_foreign()
    await surface.until(printer["id"], activity="foreign")
    stored = await surface.farm.storage.read(repository.get_printer, printer["id"])
    assert session.record.bed_version == stored.bed_version == before + 1
    written = [record.bed_version for record, *_ in observing.arguments]
    assert written.count(before) == 1, "the stale row was written on again"


async def test_after_a_tidying_that_failed_a_printer_is_left_in_peace_for_a_while(
    surface: Surface, monkeypatch: Monkey
) -> None:
    host, print_ = await surface.running()
    loop, tried = asyncio.get_running_loop(), list[float]()
    listing = PaperDriver.files

    async def fails_first(driver: PaperDriver, prefix: str) -> Sequence[str]:
        tried.append(loop.time())
        if len(tried) == 1:
            message = "the list of files cannot be read"
            raise PrinterOffline(message)
        return await listing(driver, prefix)

    monkeypatch.setattr(PaperDriver, "files", fails_first)
    await host.finish()
    await surface.until_print(print_["id"], state="completed")
    host.files["bp-0197f3c2-0000-7000-8000-000000000000-1.gcode"] = ""
    async with asyncio.timeout(5):
        while len(tried) < 2:
            await host.tell()
            await asyncio.sleep(0.005)
    poll = surface.farm.fleet.session(print_["printer_id"]).parts.timings.poll
    assert tried[1] - tried[0] >= poll


async def test_a_print_whose_claim_is_refused_lets_the_next_one_go_first(
    surface: Surface, monkeypatch: Monkey
) -> None:
    refused = ConstraintViolated("taken", "prints_one_active_per_printer")
    claiming = trouble(monkeypatch, surface, transitions.claim, refused)
    urgent = await surface.job(priority="urgent", name="first")
    normal = await surface.job(name="second")
    (first,) = await surface.prints(urgent["id"])
    (second,) = await surface.prints(normal["id"])
    await surface.printer()
    await surface.until_print(second["id"], state="printing")
    assert (await surface.until_print(first["id"]))["state"] == "queued"
    await surface.floor["Left"].finish()
    await surface.until_print(second["id"], state="completed")
    await surface.clear(claiming.arguments[0][1].id)
    await surface.until_print(first["id"], state="printing")
    assert [print_.id for print_, *_ in claiming.arguments] == [
        first["id"],
        second["id"],
        first["id"],
    ]
