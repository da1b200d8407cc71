"""What printers did is written down as it was, bounded, and summed up without a second missing."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from buildplate.core.spells import Pastime
from buildplate.drivers.sdk import Temperature
from buildplate.fleet.repository import get_printer
from buildplate.history import repository
from buildplate.history.model import Notes, Spell, Stretch
from buildplate.history.sampling import Sampler
from buildplate.history.service import HistoryService
from buildplate.history.tasks import Recorder, Retention, Sweeper
from buildplate.storage import ConstraintViolated, StorageBusy, Tx, script
from buildplate.storage.tables import printer_groups, status_history, temperature_history
from tests.service.api.paper import PaperHost
from tests.service.api.surface import Surface, open_surface

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


async def spells(surface: Surface, printer_id: str) -> list[tuple[str, str | None, bool]]:
    """State, print and whether it has ended, in order; every end is the next one's beginning."""
    rows = await surface.farm.storage.read(_spells, printer_id)
    for former, later in pairwise(rows):
        assert former["ended_at"] is not None
        assert later["began_at"] - former["ended_at"] in range(2_000_000)
    return [(row["state"], row["print_id"], row["ended_at"] is not None) for row in rows]


async def _spells(tx: Tx, printer_id: str) -> list[Any]:
    statement = (
        status_history.select()
        .where(status_history.c.printer_id == printer_id)
        .order_by(status_history.c.began_at, status_history.c.id)
    )
    return list(await tx.rows(statement))


async def _rows(tx: Tx) -> list[Any]:
    return list(await tx.rows(temperature_history.select()))


async def until_last(surface: Surface, printer_id: str, state: str) -> None:
    async with asyncio.timeout(5):
        while True:
            found = await spells(surface, printer_id)
            if found and found[-1] == (state, found[-1][1], False):
                return
            await asyncio.sleep(0.02)


async def test_what_a_printer_did_stands_there_in_order(surface: Surface) -> None:
    host, print_ = await surface.running()
    printer_id = print_["printer_id"]
    await until_last(surface, printer_id, "printing")
    await host.finish()
    await until_last(surface, printer_id, "waiting")
    await surface.clear(printer_id)
    await until_last(surface, printer_id, "idle")
    await host.vanish()
    await until_last(surface, printer_id, "offline")
    found = await spells(surface, printer_id)
    states = [state for state, _, _ in found]
    assert states[-4:] == ["printing", "waiting", "idle", "offline"]
    assert {print_id for state, print_id, _ in found if state == "printing"} == {print_["id"]}
    assert [ended for _, _, ended in found] == [True] * (len(found) - 1) + [False]


async def test_a_farm_that_ends_or_dies_leaves_no_time_that_nobody_watched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    floor: dict[str, PaperHost] = {}
    async with open_surface(tmp_path, floor=floor) as first:
        printer = await first.printer()
        await until_last(first, printer["id"], "idle")
    async with open_surface(tmp_path, floor=floor) as second:
        await until_last(second, printer["id"], "idle")
        rows = await second.farm.storage.read(_spells, printer["id"])
        assert sum(row["ended_at"] is None for row in rows) == 1
        # This life dies: nothing is written at its end.
        monkeypatch.setattr(Recorder, "end", lambda _: asyncio.sleep(0))
    await asyncio.sleep(0.3)
    async with open_surface(tmp_path, floor=floor) as third:
        await until_last(third, printer["id"], "idle")
        rows = await third.farm.storage.read(_spells, printer["id"])
        ends = [row["ended_at"] for row in rows if row["ended_at"] is not None]
        last = max(row["began_at"] for row in rows)
        assert len(ends) == len(rows) - 1
        before = max(end for end in ends if end < last - 200_000)
        assert last - before >= 300_000, "the time between the lives counts as watched"


async def test_temperatures_are_told_by_the_second_and_written_in_few_rows(tmp_path: Path) -> None:
    async with open_surface(tmp_path, factor=10.0) as surface:
        printer = await surface.printer()
        session = surface.farm.fleet.session(printer["id"])
        session.live.temperatures.clear()
        loop = asyncio.get_running_loop()
        began = last = loop.time()
        slowest = 0.0
        path = f"/api/v1/printers/{printer['id']}/temperatures"
        rows_before = len(await surface.farm.storage.read(_rows))
        while (now := loop.time()) < began + 1.5:  # 15 s at this pace
            slowest, last = max(slowest, now - last), now
            warm = 20.0 + 10 * (now - began)
            session.live.temperatures["tool0"] = Temperature(warm, 210.0)
            surface.farm.watchers.tell_levels(printer["id"])
            await asyncio.sleep(0.02)
        seen = (await surface.client.get(path)).json()["items"]
        kept = [one for one in seen if one["temperatures"]["tool0"]["target"] == 210.0]
        lasted = loop.time() - began
        assert len(kept) <= lasted / 0.08 + 2
        told = [datetime.fromisoformat(one["at"]) for one in kept]
        assert max(later - former for former, later in pairwise(told)) < timedelta(
            seconds=0.2 + slowest
        )
        assert told[-1] - told[0] > timedelta(seconds=1.2)
        assert len(await surface.farm.storage.read(_rows)) - rows_before <= lasted + 2
        first = (await surface.client.get(path, params={"limit": 2})).json()
        rest = (await surface.client.get(path, params={"since": first["next_cursor"]})).json()
        assert first["items"] + rest["items"][: len(seen) - 2] == seen
        few = (await surface.client.get(path, params={"every": 1})).json()["items"]
        assert 2 <= len(few) <= lasted + 3
        assert [one for one in seen if one in few] == few


async def test_rows_of_every_age_are_read_and_what_is_not_written_yet_follows(
    surface: Surface,
) -> None:
    storage = surface.farm.storage
    await storage.write(_add_printer_rows, int(START.timestamp() * 1e6))
    second = timedelta(seconds=1)
    sampler = Sampler(row=10.0, reading=0.8, most=100)
    for n in range(40):
        sampler.take("p101", {"bed": Temperature(20.0 + n)}, START + n * second)
    of_old = Stretch("p101", START - second, '{"bed":[19.5,60.0],"tool0":[-3.0,null]}')
    await storage.write(repository.write_down, Notes(START, (), (), (of_old, *sampler.closed)))
    sampler.done(tuple(sampler.closed))
    assert len(await storage.read(_rows)) == 4
    history = HistoryService(storage, surface.farm.fleet, surface.farm.clock, sampler.held)

    async def read(after: datetime, most: int = 1000, every: float = 0) -> list[tuple[float, Any]]:
        found = await history.temperatures("101", after, most, every)
        return [((one.at - START).total_seconds(), one.readings) for one in found]

    whole = await read(START - HOUR)
    assert whole[0] == (-1.0, {"bed": (19.5, 60.0), "tool0": (-3.0, None)})
    assert whole[1:] == [(n, {"bed": (20.0 + n, None)}) for n in range(40)]
    assert await read(START + 5 * second) == whole[7:]
    assert await read(START + 5 * second, most=9) == whole[7:16]
    assert [at for at, _ in await read(START - HOUR, every=10)] == [-1, 0, 10, 20, 30]
    assert await read(START - HOUR, every=1e-300) == whole
    assert await storage.write(repository.forget, START + 12 * second, 100) == 2
    assert await read(START - HOUR) == whole[12:]


@pytest.mark.parametrize("every", [600.0, 333.3])
async def test_one_reading_of_a_long_part_is_found_without_all_its_rows(
    surface: Surface, monkeypatch: pytest.MonkeyPatch, every: float
) -> None:
    storage = surface.farm.storage
    monkeypatch.setattr(repository, "ROWS", 5)
    await storage.write(_add_printer_rows, int(START.timestamp() * 1e6))
    moments = [START + timedelta(seconds=10 * n) for n in range(300)]
    rows = tuple(Stretch("p101", moment, '{"bed":[60.0,null]}') for moment in moments)
    await storage.write(repository.write_down, Notes(START, (), (), rows))
    read = 0

    async def counted(tx: Tx) -> list[datetime]:
        class Counting:
            async def rows(self, *what: Any) -> Any:
                nonlocal read
                found = await tx.rows(*what)
                read += len(found)
                return found

        counting: Any = Counting()
        return [one.at for one in await repository.samples(counting, "p101", START, 1000, every)]

    first: dict[int, datetime] = {}
    for moment in moments:
        first.setdefault(int(moment.timestamp() // every), moment)
    del first[int(START.timestamp() // every)]
    assert await storage.read(counted) == list(first.values())
    assert read <= 5 * (len(first) + 2)


async def test_what_no_database_takes_holds_up_nothing(
    surface: Surface, monkeypatch: pytest.MonkeyPatch
) -> None:
    printer = await surface.printer()
    await until_last(surface, printer["id"], "idle")
    session = surface.farm.fleet.session(printer["id"])
    await surface.floor["Left"].halt()
    await surface.until(printer["id"], activity="halted")
    await until_last(surface, printer["id"], "waiting")
    session.live.detail = session.live.problem = "a broken\0line"
    await surface.floor["Left"].print_foreign()
    await until_last(surface, printer["id"], "foreign")
    rows = await surface.farm.storage.read(_spells, printer["id"])
    assert not any("\0" in row["detail"] for row in rows)
    write, refused = surface.farm.storage.write, list[str]()

    async def refuses(script_: Any, *args: Any) -> Any:
        if script_ is repository.write_down:
            began = [spell.id for spell in args[0].began]
            refused.extend(began[: not refused])
            if refused[:1] and refused[0] in began:
                raise ConstraintViolated("refused", "x")
        return await write(script_, *args)

    monkeypatch.setattr(surface.farm.storage, "write", refuses)
    await surface.floor["Left"].halt()
    await surface.until(printer["id"], activity="halted")
    async with asyncio.timeout(5):
        while not refused:
            await asyncio.sleep(0.01)
    await surface.floor["Left"].vanish()
    await surface.until(printer["id"], link="offline")
    async with asyncio.timeout(5):
        while (await surface.farm.storage.read(_spells, printer["id"]))[-1]["state"] != "offline":
            await asyncio.sleep(0.02)


async def test_what_could_not_be_written_is_written_later_and_once(
    surface: Surface, monkeypatch: pytest.MonkeyPatch
) -> None:
    printer = await surface.printer()
    await until_last(surface, printer["id"], "idle")
    write, broken = surface.farm.storage.write, 6
    locked = StorageBusy("locked, or lost after it was done")

    async def fails(script_: Any, *args: Any) -> Any:
        nonlocal broken
        if script_ is not repository.write_down:
            return await write(script_, *args)
        if broken > 3:
            broken -= 1
            raise locked
        await write(script_, *args)
        if broken:
            broken -= 1
            raise locked
        return None

    monkeypatch.setattr(surface.farm.storage, "write", fails)
    host = surface.floor["Left"]
    before = len(await spells(surface, printer["id"]))
    for _ in range(3):
        await host.print_foreign()
        await surface.until(printer["id"], activity="foreign")
        await host.halt()
        await surface.until(printer["id"], activity="halted")
    async with asyncio.timeout(10):
        while broken or len(await spells(surface, printer["id"])) < before + 2:
            surface.farm.watchers.tell(printer["id"])
            await asyncio.sleep(0.02)
    await until_last(surface, printer["id"], "waiting")


@script
async def _add_printer_rows(tx: Tx, at: int) -> None:
    of_a = {"id": "a", "name": "A", "description": "", "created_at": at}
    await tx.change(printer_groups.insert(), of_a)
    printers = temperature_history.metadata.tables["printers"]
    for number, group in ((101, "A"), (102, "A"), (103, None)):
        await tx.change(
            printers.insert(),
            {
                "id": f"p{number}",
                "number": number,
                "name": f"p{number}",
                "driver": "paper",
                "model": '{"name":"A"}',
                "created_at": at,
                "printer_group": group,
                "retired_at": at + 10 * 3_600_000_000 if number == 103 else None,
            },
        )


def spell(number: int, what: Pastime, begin: float, end: float) -> Spell:
    began, ended = START + begin * HOUR, START + end * HOUR
    return Spell(f"s{number}-{begin}", f"p{number}", what, "", None, began, ended)


async def test_time_is_summed_up_to_the_second_by_printer_group_and_day(
    surface: Surface,
) -> None:
    storage = surface.farm.storage
    await storage.write(_add_printer_rows, int(START.timestamp() * 1e6))
    written = Notes(
        surface.farm.clock.now(),
        (
            spell(101, Pastime.PRINTING, 0, 6),
            spell(101, Pastime.WAITING, 6, 8),
            spell(101, Pastime.IDLE, 8, 14),  # over midnight
            spell(102, Pastime.PRINTING, 1, 2),
            spell(102, Pastime.DISABLED, 2, 5),
            spell(103, Pastime.OFFLINE, 0, 10),
        ),
    )
    await storage.write(repository.write_down, written)
    await storage.write(repository.write_down, written)
    span = {"since": "2026-03-01T14:00:00Z", "until": "2026-03-02T02:00:00Z"}

    async def asked(by: str) -> dict[str, Any]:
        answer = await surface.client.get("/api/v1/analytics/utilization", params=span | {"by": by})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return {"total": found["total"]} | {one["key"] or "": one for one in found["items"]}

    def hours(one: dict[str, Any]) -> dict[str, float]:
        named = {name: value / 3600 for name, value in one.items() if name.endswith("_s")}
        return {name.removesuffix("_s"): value for name, value in named.items() if value}

    printers = await asked("printer")
    assert hours(printers["p101"]) == {"printing": 4, "waiting": 2, "idle": 6}
    assert printers["p101"]["utilization"] == round(4 / 12, 4)
    assert hours(printers["p102"]) == {"disabled": 3, "unwatched": 9}
    assert printers["p102"]["utilization"] is None
    assert hours(printers["p103"]) == {"offline": 8}
    groups = await asked("group")
    assert hours(groups["A"]) == {
        "printing": 4, "waiting": 2, "idle": 6, "disabled": 3, "unwatched": 9,
    }  # fmt: skip
    assert hours(groups[""]) == {"offline": 8}
    days = await asked("day")
    assert hours(days["2026-03-02"]) == {"idle": 2, "unwatched": 2}
    assert sum(hours(days["total"]).values()) == sum(hours(printers["total"]).values()) == 32
    for path in ("analytics/utilization", "printers/1/temperatures"):
        answer = await surface.client.get(
            f"/api/v1/{path}", params={"since": "0001-01-01T00:00:00+14:00"}
        )
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request"), path
    for wrong in (
        {"since": "2026-03-02T00:00:00Z", "until": "2026-03-01T00:00:00Z"},
        {"since": "2025-01-01T00:00:00Z", "until": "2026-03-01T00:00:00Z"},
    ):
        answer = await surface.client.get("/api/v1/analytics/utilization", params=wrong)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_range")


async def test_old_history_goes_and_what_is_open_or_young_stays(surface: Surface) -> None:
    storage, now = surface.farm.storage, surface.farm.clock.now()
    await storage.write(_add_printer_rows, int(START.timestamp() * 1e6))
    old = [spell(101, Pastime.IDLE, hour, hour + 1) for hour in range(30)]
    young = Spell("young", "p102", Pastime.IDLE, "", None, now - HOUR, now)
    kept = Spell("open", "p103", Pastime.IDLE, "", None, START)
    moments = [*(START + n * HOUR for n in range(40)), now]
    rows = tuple(Stretch("p101", moment, '{"bed":[60.0,null]}') for moment in moments)
    await storage.write(repository.write_down, Notes(now, (*old, young, kept), (), rows))
    retention = Retention(keep=timedelta(days=30).total_seconds(), every=3600)
    assert await Sweeper(storage, surface.farm.clock, retention).sweep() == 70
    left = {row["id"] for row in await storage.read(_spells, "p102")}
    left |= {row["id"] for row in await storage.read(_spells, "p103")}
    assert left == {"young", "open"}
    assert not await storage.read(_spells, "p101")
    assert len(await storage.read(_rows)) == 1


async def test_the_dashboard_counts_what_is_there(surface: Surface) -> None:
    host, print_ = await surface.running("Left")
    await surface.printer("Right", enabled=True)
    await surface.client.post("/api/v1/queue/stop")
    job = await surface.job(copies=3)
    await host.finish("failed")
    await surface.until_print(print_["id"], state="failed")
    found = await surface.poll(
        "/api/v1/dashboard/stats", lambda seen: bool(seen["last_day"]["failed"])
    )
    assert found["last_day"]["success_rate"] == 0.0
    assert found["printers"] == {
        "printing": 0, "foreign": 0, "idle": 1, "waiting": 1, "offline": 0, "disabled": 0,
    }  # fmt: skip
    assert found["jobs"]["active"] == 0
    assert found["jobs"]["queued"] == 2  # the failed one is tried again
    found = await surface.poll("/api/v1/dashboard/stats", lambda seen: seen["queued_prints"] == 4)
    assert job["id"]


async def test_a_retired_printer_has_a_past(surface: Surface) -> None:
    printer = await surface.printer()
    await until_last(surface, printer["id"], "idle")
    answer = await surface.client.delete(f"/api/v1/printers/{printer['id']}")
    assert answer.is_success
    async with asyncio.timeout(5):
        while not (await spells(surface, printer["id"]))[-1][2]:
            await asyncio.sleep(0.02)
    assert (await surface.farm.storage.read(get_printer, printer["id"])).retired_at is not None
    answer = await surface.client.get(f"/api/v1/printers/{printer['id']}/temperatures")
    assert answer.json()["items"]
