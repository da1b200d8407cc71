"""A backup taken while twenty printers print, restored into an empty place after more was printed.

Shown on both databases by the printers' own records: nothing starts by itself, every leftover is
found, and each print ends rightly once a person has looked and released the farm.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import pytest

from buildplate.backups.archive import verify
from buildplate_sim.launch import octoprints
from tests import postgres
from tests.faults.real_server import RealServer, serving
from tests.faults.restored_farm import (
    Floor,
    back_up,
    bring_back,
    kill,
    order,
    prints,
    states,
    until,
)
from tests.faults.worlds import part

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.restored_farm import Facts

FACTOR = 25.0
PRINTERS = 20
SETTINGS = {"time_factor": str(FACTOR), "bed_gap_seconds": "600"}
REMADE = 2
STILL_S = 3.0
"""So long nothing may start after the restored farm's printers are all online."""


class Story:
    """What was ordered before the backup, by job: the hash that printers are sent, and copies."""

    def __init__(self) -> None:
        self.orders: dict[str, tuple[str, int]] = {}
        self.forgotten = ""

    async def order(self, server: RealServer, name: str, seconds: float, copies: int) -> str:
        job, sha256 = await order(server, part(name, seconds), copies, name)
        self.orders[job] = (sha256, copies)
        return job


async def before_the_backup(server: RealServer, floor: Floor, story: Story) -> str:
    """Twenty printers print, and some copies wait; the job that waits."""
    await floor.furnish(server)
    short = await story.order(server, "short", 100, PRINTERS // 2)
    long = await story.order(server, "long", 600, PRINTERS - PRINTERS // 2)

    async def all_print() -> bool:
        found = await states(server, short) + await states(server, long)
        return found == Counter(printing=PRINTERS)

    waiting = await story.order(server, "waiting", 200, 12)
    await until(all_print, "twenty printers that print")
    return waiting


async def after_the_backup(server: RealServer, floor: Floor, story: Story, waiting: str) -> None:
    """Copies that waited are printed, some to their end, and so is a job that is ordered now."""
    job, sha256 = await order(server, part("forgotten", 500), 2, "forgotten")
    story.forgotten = sha256
    await server.call("POST", "/queue/reorder", {"job_id": job, "before": None})
    async with asyncio.TaskGroup() as tasks:
        helping = tasks.create_task(floor.help(server))

        async def far_enough() -> bool:
            found, other = await states(server, waiting), await states(server, job)
            return found["completed"] >= 2 and found["printing"] >= 2 and other["printing"] >= 1

        await until(far_enough, "prints that the backup does not know")
        helping.cancel()


async def people_cancel_some(floor: Floor, story: Story, waiting: str) -> None:
    """At their printers, while no farm runs: these copies were sent, and are to be made again."""
    sha256, _ = story.orders[waiting]
    sent = {entry["path"] for _, entry in await floor.entries("start") if entry["sha256"] == sha256}
    mine = [name for name, path in (await floor.running()).items() if path in sent]
    assert len(mine) >= REMADE
    for name in mine[:REMADE]:
        await floor.admin.do(name, "cancel")


async def people_look(server: RealServer, floor: Floor, story: Story, waiting: str) -> None:
    """Wait for what runs unknown to the farm, answer what it asks, cancel what was made already."""
    known = {one["file_name"] for one in await prints(server)}

    async def strangers_ended() -> bool:
        running = set((await floor.running()).values())
        return not running - known

    await until(strangers_ended, "the end of what the farm does not know", 60)
    sha256, copies = story.orders[waiting]
    made = (await floor.tally()).completed[sha256]
    queued = [one for one in await prints(server) if one["state"] == "queued"]
    mine = [one for one in queued if one["job_id"] == waiting]
    # Copies are all alike; those that were sent already are made again, under names of their own.
    sent = " ".join(entry["path"] for _, entry in await floor.entries("start"))
    mine.sort(key=lambda one: one["id"].replace("-", "") in sent)
    for one in mine[: made - (copies - len(mine))]:
        await server.call("POST", f"/prints/{one['id']}/cancel")


async def answer(server: RealServer, floor: Floor) -> None:
    """Say of each print that needs attention what its printer's own record says."""
    for one in await prints(server):
        if one["state"] != "needs_attention" or one["printer_id"] is None:
            continue
        name = next(name for name, id_ in floor.ids.items() if id_ == one["printer_id"])
        outcome = await floor.outcome_of(name, one["file_name"])
        if outcome != "running":
            body = {"outcome": outcome, "bed": "occupied"}
            await server.ask("POST", f"/prints/{one['id']}/resolve", body)


async def found_leftovers(server: RealServer) -> str:
    """All that the farm said of files that it does not know."""
    events = (await server.call("GET", "/events?limit=1000"))["items"]
    return " ".join(str(one["data"]) for one in events if one["kind"] == "queue.stopped")


async def stopped_and_looking(server: RealServer, floor: Floor, backup: Facts) -> None:
    """The restored farm starts nothing by itself, says why, and finds every leftover."""
    farm = await server.call("GET", "/queue")
    assert farm["stopped"] is True
    assert backup["id"] in farm["stopped_reason"]
    starts, left = await floor.starts(), await floor.ours()
    known = {one["file_name"] for one in await prints(server)}
    lost = {path for files in left.values() for path in files} - known
    assert lost, "the backup is older than the printers, or this shows nothing"

    async def all_online() -> bool:
        return all([await floor.is_online(server, name) for name in floor.names])

    async def all_found() -> bool:
        told = await found_leftovers(server)
        return all(path in told for path in lost)

    await until(all_online, "every printer comes online")
    await until(all_found, f"every leftover is found: {lost}")
    await asyncio.sleep(STILL_S)
    assert await floor.starts() == starts, "something was started by itself"
    still = {path for files in (await floor.ours()).values() for path in files}
    assert lost <= still, "evidence was deleted"


async def to_the_end(server: RealServer, floor: Floor, story: Story, waiting: str) -> None:
    """People look, release the farm, and every order is made."""
    await people_look(server, floor, story, waiting)
    assert (await server.ask("POST", "/queue/release"))[0] == 200
    await server.ask("POST", f"/jobs/{waiting}/release")
    async with asyncio.TaskGroup() as tasks:
        helping = tasks.create_task(floor.help(server))

        async def all_ended() -> bool:
            await answer(server, floor)
            farm = await server.call("GET", "/queue")
            if farm["stopped"]:
                await server.ask("POST", "/queue/release")
            left = Counter(one["state"] for one in await prints(server))
            return not left.keys() - {"completed", "cancelled", "failed", "not_started"}

        await until(all_ended, "the end of every print", 60)
        helping.cancel()


async def judged(server: RealServer, floor: Floor, story: Story) -> list[str]:
    """Every way in which the promise was broken, by the printers' own records."""
    tally, broken = await floor.tally(), []
    for job, (sha256, copies) in story.orders.items():
        made, said = tally.completed[sha256], (await states(server, job))["completed"]
        if made != copies:
            broken.append(f"{made} parts of job {job} were made, {copies} were ordered")
        if said > made:
            broken.append(f"{said} prints of job {job} are called completed, {made} were")
    if tally.completed[story.forgotten] > 2:
        broken.append("the forgotten job was printed again")
    names = Counter(PurePosixPath(entry["path"]).name for _, entry in await floor.entries("start"))
    broken += [f"the name {name} was started {n} times" for name, n in names.items() if n > 1]
    broken += [f"printed into another part: {one}" for one in tally.collisions]
    return broken


@pytest.mark.timeout(240)
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
async def test_a_farm_comes_back_stopped_and_ends_each_print_rightly_once_released(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database: str
) -> None:
    def elsewhere(*, empty: bool) -> None:
        if database == "postgresql":
            monkeypatch.setenv("DATABASE_URL", postgres.new_database(empty=empty))

    story = Story()
    subnet = "127.0.34.10" if database == "sqlite" else "127.0.35.10"
    more = ["--push-interval=0.1"]
    async with octoprints(
        tmp_path / "floor", count=PRINTERS, time_factor=FACTOR, base_address=subnet, more=more
    ) as simulator:
        floor = Floor(simulator)
        elsewhere(empty=False)
        async with serving(tmp_path / "farm", **SETTINGS) as first:
            waiting = await before_the_backup(first, floor, story)
            backup = await back_up(first, tmp_path)
            await after_the_backup(first, floor, story, waiting)
            kill(first)
            await people_cancel_some(floor, story, waiting)
        elsewhere(empty=True)
        told = await bring_back(tmp_path / backup["file"], tmp_path / "restored")
        assert (told["stopped"], told["key_file"]) == (True, True)
        async with serving(tmp_path / "restored", **SETTINGS) as second:
            await stopped_and_looking(second, floor, backup)
            await to_the_end(second, floor, story, waiting)
            assert await judged(second, floor, story) == []


async def test_a_server_killed_while_it_takes_a_backup_leaves_a_whole_one_or_none(
    tmp_path: Path,
) -> None:
    folder, whole = tmp_path / "farm" / "backups", 0
    for moment_s in (0.0, 0.1, 1.5):
        async with serving(tmp_path / "farm") as server:
            left = sorted(path.name for path in folder.iterdir() if path.name.startswith("."))
            assert left == [], "a start takes away what a kill has left"
            if not whole and not (await server.call("GET", "/files"))["items"]:
                for n in range(12):
                    await server.upload(part(f"large {n}") + "; filling\n" * 90_000, f"{n}.gcode")
            await server.call("POST", "/backups")
            await asyncio.sleep(moment_s)
            kill(server)
        for path in folder.glob("*.tar"):
            with path.open("rb") as file:
                verify(file)
            whole += 1
    assert whole, "the last of them had time"
