"""Bad days of the server as people start it: two at once, orders twice at once, files deleted."""

from __future__ import annotations

import asyncio
import subprocess
from typing import TYPE_CHECKING, Any, cast

import pytest

from tests.faults.farms import Refused, nursery
from tests.faults.real_server import SERVE, RealServer, environment, serving
from tests.faults.worlds import Setting, part, world

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable
    from pathlib import Path

    from buildplate_sim.launch import AdminClient

AT_ONCE = 12
ROUNDS = 25


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[RealServer]:
    async with serving(tmp_path / "farm") as running:
        yield running


async def test_a_second_server_on_the_same_database_refuses_and_says_who_has_it(
    server: RealServer, tmp_path: Path
) -> None:
    second = await asyncio.to_thread(
        subprocess.run,
        [*SERVE, "--port=0", f"--data-dir={tmp_path / 'farm'}"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=environment(),
    )
    assert second.returncode == 1
    assert f"in use by process {server.process.pid}" in second.stderr
    assert "--data-dir" in second.stderr
    assert "Traceback" not in second.stderr
    assert (await server.ask("GET", "/jobs"))[0] == 200, "the first one goes on"


async def test_an_order_posted_many_times_at_once_under_one_key_is_one_job(
    server: RealServer,
) -> None:
    file = await server.upload(part("twice"))
    body = {"file_id": file, "copies": 3}
    answers = await asyncio.gather(
        *(server.ask("POST", "/jobs", body, Idempotency_Key="order-1") for _ in range(AT_ONCE))
    )
    assert sorted(status for status, _ in answers) == [200] * (AT_ONCE - 1) + [201]
    assert len({job["id"] for _, job in answers}) == 1
    assert len((await server.call("GET", "/jobs"))["items"]) == 1
    assert len((await server.call("GET", "/prints"))["items"]) == 3


async def test_a_key_used_again_for_another_order_is_refused(server: RealServer) -> None:
    file = await server.upload(part("again"))
    await server.call("POST", "/jobs", {"file_id": file}, Idempotency_Key="order-2")
    other = {"file_id": file, "copies": 2}
    status, said = await server.ask("POST", "/jobs", other, Idempotency_Key="order-2")
    assert (status, said["code"]) == (422, "idempotency_key_reused")
    assert len((await server.call("GET", "/jobs"))["items"]) == 1


async def test_a_job_for_a_deleted_file_is_refused(server: RealServer) -> None:
    file = await server.upload(part("deleted"))
    await server.call("DELETE", f"/files/{file}")
    status, said = await server.ask("POST", "/jobs", {"file_id": file})
    assert (status, said["code"]) == (422, "file_not_found")
    assert (await server.call("GET", "/jobs"))["items"] == []


async def test_a_file_with_an_open_job_cannot_be_deleted(server: RealServer) -> None:
    file = await server.upload(part("used"))
    job = await server.call("POST", "/jobs", {"file_id": file})
    status, said = await server.ask("DELETE", f"/files/{file}")
    assert (status, said["code"]) == (409, "file_in_use")
    await server.call("POST", f"/jobs/{job['id']}/cancel")
    await server.call("DELETE", f"/files/{file}")


async def test_an_order_that_meets_its_files_deletion_is_refused_or_keeps_the_file(
    tmp_path: Path,
) -> None:
    nobody = cast("AdminClient", None)  # there are no printers
    async with (
        nursery() as farms,
        world(Setting(farms, nobody, [], tmp_path / "farm", 25.0, helpful=False)) as here,
    ):
        for nth in range(ROUNDS):
            file = (await here.ask("file", name="part.gcode", gcode=part(f"part {nth}")))["id"]

            async def deleted(file: str = file) -> bool:
                return await _agreed(here.ask("delete_file", file=file))

            async def ordered(file: str = file) -> bool:
                return await _agreed(here.ask("order", file=file))

            both = (deleted(), ordered()) if nth % 2 else (ordered(), deleted())
            first, second = await asyncio.gather(*both)
            gone, job = (first, second) if nth % 2 else (second, first)
            assert gone is not job, f"deleted: {gone}, ordered: {job}"


async def test_the_end_of_a_print_that_only_waited_is_an_event_too(server: RealServer) -> None:
    file = await server.upload(part("waiting"))
    job = await server.call("POST", "/jobs", {"file_id": file, "copies": 4})
    await server.call("PATCH", f"/jobs/{job['id']}", {"copies": 3})
    prints = (await server.call("GET", "/prints"))["items"]
    waiting = [print_["id"] for print_ in prints if print_["state"] == "queued"]
    await server.call("POST", f"/prints/{waiting[0]}/cancel")
    await server.call("POST", f"/jobs/{job['id']}/cancel")
    async with asyncio.timeout(10):
        ended: list[str] = []
        while len(ended) < len(prints):
            events = (await server.call("GET", "/events?limit=100"))["items"]
            ended = [event["print_id"] for event in events if event["kind"] == "print.cancelled"]
    assert sorted(ended) == sorted(print_["id"] for print_ in prints)


async def _agreed(call: Awaitable[Any]) -> bool:
    try:
        await call
    except Refused as refused:
        if refused.code not in {"file_in_use", "file_not_found"}:
            raise
        return False
    return True
