"""A whole farm on two real OctoPrints: the server, its HTTP API, and real printer software."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.integration.farm import Server, part, server
from tests.integration.octoprint_host import (
    SIMULATED_ERRORS,
    OctoPrintHost,
    make_template,
    octoprint_host,
)
from tests.integration.slicing import need_slicer, slice_cuboid

pytestmark = [
    pytest.mark.needs_octoprint,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(300),
]
RUNNING = {"printing", "paused"}
TEN_MEGABYTES = 10_000_000


@dataclass
class Floor:
    """A server and its two printers, by id."""

    server: Server
    hosts: dict[str, OctoPrintHost]

    async def clear_beds(self) -> None:
        for printer_id in self.hosts:
            if (await self.server.ask("GET", f"/printers/{printer_id}"))["bed"] != "clear":
                await self.server.clear(printer_id)

    async def beds(self) -> list[str]:
        return [(await self.server.ask("GET", f"/printers/{one}"))["bed"] for one in self.hosts]

    async def order(self, file: dict[str, Any], copies: int) -> str:
        body = {"file_id": file["id"], "copies": copies, "retries": 0}
        return str((await self.server.ask("POST", "/jobs", body))["id"])

    async def states(self, job_id: str) -> Counter[str]:
        return Counter(print_["state"] for print_ in await self.server.prints(job_id))

    def stored(self, print_: dict[str, Any]) -> Path:
        """Where the print's host keeps its file."""
        return self.hosts[print_["printer_id"]].folder / "uploads" / str(print_["file_name"])

    def completions(self) -> Counter[str]:
        """How often each file of ours was done, by the hosts' own logs."""
        return Counter(path for host in self.hosts.values() for path in host.completions())

    def starts(self) -> Counter[str]:
        """How often each file of ours was started, by the hosts' own logs."""
        return Counter(path for host in self.hosts.values() for path in host.starts())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def floor(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Floor]:
    folder = tmp_path_factory.mktemp("floor")
    template = await make_template(folder / "template")
    async with AsyncExitStack() as stack:
        hosts = [
            await stack.enter_async_context(
                octoprint_host(template, folder / f"host{n}", errors=SIMULATED_ERRORS, connect=True)
            )
            for n in range(2)
        ]
        running = await stack.enter_async_context(server(folder / "data"))
        for host in hosts:
            await host.printer_is("Operational")
        ids = [await running.add(host, f"printer {n}") for n, host in enumerate(hosts)]
        yield Floor(running, dict(zip(ids, hosts, strict=True)))


async def watch(floor: Floor, job_id: str, completed: int, limit: float) -> dict[str, str]:
    """Wait for so many completed prints; the sha256 of each file while its host printed it."""
    digests: dict[str, str] = {}
    async with asyncio.timeout(limit):
        while (await floor.states(job_id))["completed"] < completed:
            for print_ in await floor.server.prints(job_id):
                name = print_["file_name"]
                if print_["state"] in RUNNING and name not in digests:
                    content = floor.stored(print_).read_bytes()
                    digests[name] = hashlib.sha256(content).hexdigest()
            await asyncio.sleep(0.2)
    return digests


async def nothing_is_left(floor: Floor) -> None:
    """Wait until the hosts keep no file of ours, seen from outside them."""
    async with asyncio.timeout(20):
        while left := [
            path for host in floor.hosts.values() for path in (host.folder / "uploads").glob("bp-*")
        ]:
            await asyncio.sleep(0.2)
    assert not left


@pytest.mark.needs_slicer
async def test_three_copies_and_a_quick_print_are_each_made_once_and_exactly(
    floor: Floor, tmp_path: Path
) -> None:
    need_slicer()
    sliced = (await slice_cuboid(tmp_path, 15, 15, 5)).read_bytes()
    file = await floor.server.upload(sliced, "block.gcode")
    assert file["sha256"] == hashlib.sha256(sliced).hexdigest()
    before = floor.completions()

    job_id = await floor.order(file, 3)
    digests = await watch(floor, job_id, 2, limit=120)

    # Both beds hold a part now, so the third copy waits for a person and says so.
    assert await floor.beds() == ["occupied", "occupied"]
    await asyncio.sleep(2)
    assert await floor.states(job_id) == Counter(completed=2, queued=1)
    waiting = next(one for one in await floor.server.prints(job_id) if one["state"] == "queued")
    reasons = await floor.server.ask("GET", f"/prints/{waiting['id']}/waiting")
    codes = {(reason["printer_id"], reason["code"]) for reason in reasons["items"]}
    assert codes == {(printer_id, "bed_not_clear") for printer_id in floor.hosts}

    quick_id = await floor.order(await floor.server.upload(part(2), "quick.gcode"), 1)
    await floor.clear_beds()
    digests |= await watch(floor, job_id, 3, limit=120)
    await watch(floor, quick_id, 1, limit=60)

    jobs = [await floor.server.ask("GET", f"/jobs/{one}") for one in (job_id, quick_id)]
    assert [(job["state"], job["finished"]) for job in jobs] == [("completed", 3), ("completed", 1)]
    assert await floor.beds() == ["occupied", "occupied"]
    names = [
        str(one["file_name"])
        for job in (job_id, quick_id)
        for one in await floor.server.prints(job)
    ]
    assert len(set(names)) == 4
    assert floor.completions() - before == Counter(names), "each once, by the hosts' own logs"
    assert floor.starts() - before == Counter(names)
    assert len(digests) == 3
    assert set(digests.values()) == {file["sha256"]}, "printed exactly what was uploaded"
    await nothing_is_left(floor)


async def test_ten_megabytes_arrive_in_time_and_unchanged_also_at_the_printer(
    floor: Floor, record_property: Callable[[str, object], None]
) -> None:
    content = part(2, TEN_MEGABYTES)
    digest = hashlib.sha256(content).hexdigest()
    await floor.clear_beds()

    began = time.monotonic()
    file = await floor.server.upload(content, "large.gcode")
    took = time.monotonic() - began
    assert file["sha256"] == digest
    assert file["size"] == len(content) > TEN_MEGABYTES
    assert took < 5

    began = time.monotonic()
    job_id = await floor.order(file, 1)
    async with asyncio.timeout(60):
        while not await floor.states(job_id) & Counter({"printing": 1}):
            await asyncio.sleep(0.05)
    started = time.monotonic() - began
    assert started < 20, "sooner than the planner's safety net: it was told that the file is read"
    print(f"10 MB: uploaded in {took:.2f} s, printing {started:.2f} s after the order")
    record_property("upload_s", round(took, 3))
    record_property("order_to_printing_s", round(started, 3))
    digests = await watch(floor, job_id, 1, limit=90)
    assert list(digests.values()) == [digest]
    await nothing_is_left(floor)
