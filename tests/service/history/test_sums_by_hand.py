"""Lateness and outcomes of a farm whose every print was written by hand, worked out by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from sqlalchemy import insert

from buildplate.core.print_table import PrintState
from buildplate.history.model import Of
from buildplate.storage import Tx, script, to_json, to_micros
from buildplate.storage.tables import jobs, print_files, printers, prints
from tests.service.api.surface import Surface

NUMBERS = count(1000)
DAY = timedelta(days=1)


@script
async def write_rows(tx: Tx, rows: list[tuple[Any, dict[str, Any]]]) -> None:
    for table, values in rows:
        await tx.change(insert(table).values(**values))


class Past:
    """What is to have been: files, jobs and prints, written at once."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self._rows: list[tuple[Any, dict[str, Any]]] = []
        self.file("plain", None)

    def file(self, name: str, material: str | None) -> str:
        analysis = {"tools": [{"filament_type": material}]} if material else {}
        values = {"id": name, "sha256": name, "size": 1, "printer_sha256": name, "name": name}
        more = {"state": "ready", "analysis": to_json(analysis), "created_at": 0}
        self._rows.append((print_files, values | more))
        return name

    def printer(self, name: str) -> str:
        values = {"id": name, "number": next(NUMBERS), "name": name, "driver": "paper"}
        spec = {"connection": "{}", "model": "{}", "bed_policy": "{}", "retired_at": 1}
        self._rows.append((printers, values | spec | {"created_at": 0}))
        return name

    def job(self, due_in_s: float | None = None, **more: Any) -> str:
        number = next(NUMBERS)
        due = None if due_in_s is None else self.moment(due_in_s)
        values = {"id": f"job {number}", "number": number, "name": f"job {number}", "due": due}
        values |= {"file_id": "plain", "requirements": "{}", "created_at": 0}
        self._rows.append((jobs, values | more))
        return f"job {number}"

    def print(
        self, job: str, state: str, ended_in_s: float | None, copy: int = 1, **more: Any
    ) -> None:
        number = next(NUMBERS)
        values = {"id": f"{number:036}", "number": number, "job_id": job, "copy_no": copy}
        ended = None if ended_in_s is None else self.moment(ended_in_s)
        values |= {"state": state, "created_at": 0, "ended_at": ended}
        self._rows.append((prints, values | more))

    def moment(self, in_s: float) -> int:
        return to_micros(self.now + timedelta(seconds=in_s))

    async def write(self, surface: Surface) -> None:
        await surface.farm.storage.write(write_rows, self._rows)


async def test_lateness_is_what_one_works_out_by_hand(surface: Surface) -> None:
    past = Past(datetime.now(UTC).replace(microsecond=0))
    hour = 3600
    before, exact, second = past.job(-hour), past.job(-hour), past.job(-hour, copies=2)
    half, retried = past.job(-hour, copies=2), past.job(-hour)
    past.print(before, "completed", -hour - 10)
    past.print(exact, "completed", -hour)
    past.print(second, "completed", -hour - 100, copy=1)
    past.print(second, "completed", -hour + 50, copy=2)
    past.print(half, "completed", -hour - 100, copy=1)
    past.print(half, "queued", None, copy=2)
    past.print(retried, "failed", -hour - 50)
    past.print(retried, "completed", -hour + 5, try_no=2)
    cancelled = past.job(-hour, cancelled=True)
    past.print(cancelled, "completed", -hour + 5)
    open_, early = past.job(hour), past.job(hour)
    past.print(open_, "queued", None)
    past.print(early, "completed", -5)
    first, last, without = past.job(-10 * hour), past.job(2 * hour), past.job()
    for job in (first, last, without):
        past.print(job, "queued", None)
    await past.write(surface)

    since, until = (past.now + timedelta(hours=hours) for hours in (-10, 2))
    found = await surface.farm.history.lateness(since, until, 1000)
    late = {one.job_id: (one.made, one.late_s(past.now)) for one in found.promises}
    assert late == {
        before: (1, -10),
        exact: (1, 0),
        second: (2, 50),
        half: (1, hour),
        retried: (1, 5),
        open_: (0, -hour),
        early: (1, -hour - 5),
        first: (0, 10 * hour),
    }
    assert {one.job_id for one in found.promises if one.finished_at is None} == {
        half, open_, first,
    }  # fmt: skip
    assert found.in_time == len({before, exact, early})
    assert found.late == len({second, half, retried, first})
    few = await surface.farm.history.lateness(since, until, 2)
    assert [one.job_id for one in few.promises] == [early, open_]
    assert (few.in_time, few.late) == (found.in_time, found.late)


async def test_prints_that_ended_in_one_moment_stand_each_on_one_page(surface: Surface) -> None:
    past = Past(datetime.now(UTC))
    job = past.job(copies=5)
    for copy in range(1, 6):
        past.print(job, "completed", -60, copy, started_at=past.moment(60))  # by a clock set back
    past.print(past.job(), "queued", None)
    await past.write(surface)
    seen: list[int] = []
    cursor: str | None = ""
    while cursor is not None:
        asked = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = (await surface.client.get("/api/v1/history", params=asked)).json()
        seen += [one["number"] for one in page["items"]]
        assert {one["printed_s"] for one in page["items"]} == {0}
        cursor = page["next_cursor"]
    assert seen == sorted(set(seen), reverse=True)
    assert len(seen) == 5
    found = await surface.farm.history.outcomes(Of.PRINTER, past.now - DAY, past.now)
    assert found[None].printed_s == 0
    export = await surface.client.get("/api/v1/history/export")
    assert export.headers["cache-control"] == "no-store"
    assert export.content.startswith("\ufeffprint,".encode())


async def test_outcomes_are_what_one_works_out_by_hand(surface: Surface) -> None:
    past = Past(datetime.now(UTC).replace(microsecond=0))
    left, right = past.printer("left"), past.printer("right")
    petg = past.file("sliced", "petg")
    plain, sliced = past.job(), past.job(file_id=petg)
    asks = past.job(file_id=petg, requirements=to_json({"materials": [{"tool": 0, "type": "PLA"}]}))
    began: dict[str, Any] = {"started_at": past.moment(-1000)}
    made: list[tuple[str, str | None, str, float | None, dict[str, Any]]] = [
        (plain, left, "completed", -900, began),
        (sliced, left, "completed", -950, began),
        (sliced, left, "failed", -970, began | {"reason": "no heat"}),
        (asks, right, "failed", -980, began | {"reason": "no heat"}),
        (asks, right, "not_started", -980, {"reason": "refused"}),
        (plain, None, "cancelled", -990, {}),
        (plain, left, "completed", -29 * 86_400, began),
        (plain, left, "completed", -31 * 86_400, began),
        (plain, left, "printing", None, began | {"intent_at": past.moment(-1001)}),
    ]
    for copy, (job, printer, state, ended, more) in enumerate(made, start=1):
        past.print(job, state, ended, copy, printer_id=printer, **more)
    await past.write(surface)

    async def sums(of: Of) -> dict[str | None, tuple[dict[str, int], float]]:
        found = await surface.farm.history.outcomes(of, past.now - DAY, past.now)
        return {
            key: ({state.value: n for state, n in tally.ended.items()}, tally.printed_s)
            for key, tally in found.items()
        }

    assert await sums(Of.PRINTER) == {
        left: ({"completed": 2, "failed": 1}, 150.0),
        right: ({"failed": 1, "not_started": 1}, 0.0),
        None: ({"cancelled": 1}, 0.0),
    }
    assert await sums(Of.MATERIAL) == {
        None: ({"completed": 1, "cancelled": 1}, 100.0),
        "PETG": ({"completed": 1, "failed": 1}, 50.0),
        "PLA": ({"failed": 1, "not_started": 1}, 0.0),
    }
    assert await sums(Of.REASON) == {
        "no heat": ({"failed": 2}, 0.0),
        "refused": ({"not_started": 1}, 0.0),
        None: ({"cancelled": 1}, 0.0),
    }
    answer = (await surface.client.get("/api/v1/analytics/outcomes")).json()
    assert [one["key"] for one in answer["items"]] == [left, right, None], "the most first"
    assert (answer["items"][0]["completed"], answer["total"]["completed"]) == (3, 3)
    assert answer["total"]["printed_s"] == 150.0
    assert PrintState.PRINTING not in (await surface.farm.history.now()).day.ended
