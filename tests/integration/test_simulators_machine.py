"""Simulated time and the printer's record: in order, exact, frozen when frozen, durable first."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from buildplate_sim.gcode import scan
from buildplate_sim.journal import Journal, Scribe
from buildplate_sim.machine import Machine, Order
from buildplate_sim.pulse import Pulse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def scribe() -> AsyncIterator[Scribe]:
    made = Scribe()
    yield made
    made.stop()


def order(text: str) -> Order:
    return Order("a.gcode", "digest", scan(text.encode(), len(text)))


async def test_timers_fire_in_the_order_they_are_due_however_late_the_loop_is() -> None:
    pulse, fired = Pulse(1000), list[float]()
    for seconds in (3.0, 1.0, 2.0, 0.5):
        pulse.after(seconds, lambda seconds=seconds: fired.append(seconds))  # type: ignore[misc]
    time.sleep(0.02)  # noqa: ASYNC251, TID251 -- the loop is to be late
    await asyncio.sleep(0.01)
    assert fired == [0.5, 1.0, 2.0, 3.0]


async def test_what_follows_from_a_timer_is_counted_from_its_moment() -> None:
    pulse, fired = Pulse(1000), list[str]()

    def follow() -> None:
        pulse.after(1, lambda: fired.append("followed"))

    pulse.after(1, follow)
    pulse.after(2.5, lambda: fired.append("later"))
    time.sleep(0.02)  # noqa: ASYNC251, TID251 -- the loop is to be late
    await asyncio.sleep(0.01)
    assert fired == ["followed", "later"]


async def test_time_stands_still_while_frozen() -> None:
    pulse, fired = Pulse(100), list[str]()
    pulse.after(2, lambda: fired.append("timer"))
    pulse.freeze()
    pulse.soon(lambda: fired.append("arrived"))
    before = pulse.now
    await asyncio.sleep(0.1)
    assert (pulse.now, fired) == (before, [])
    pulse.thaw()
    assert fired == ["arrived"]
    await asyncio.sleep(0.1)
    assert fired == ["arrived", "timer"]


async def test_nobody_is_told_of_a_start_before_it_is_durable(
    tmp_path: Path, scribe: Scribe, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = asyncio.Event()
    held: list[object] = []
    monkeypatch.setattr(scribe, "sync", lambda _fd, then: held.append(then))
    machine = Machine(Journal(tmp_path / "log.jsonl", scribe), Pulse(100))
    machine.start(order("G4 S1\n"), lambda _: synced.set(), lambda _: None, lambda: None)
    await asyncio.sleep(0.05)
    assert not synced.is_set()
    assert '"event":"start"' in (tmp_path / "log.jsonl").read_text()
    begun = held[-1]
    assert callable(begun)
    begun()
    assert synced.is_set()


async def test_a_run_takes_its_time_stops_where_the_file_says_and_goes_on(
    tmp_path: Path, scribe: Scribe
) -> None:
    machine = Machine(Journal(tmp_path / "log.jsonl", scribe), Pulse(200))
    stopped, done = asyncio.Event(), asyncio.get_running_loop().create_future()
    machine.start(order("G4 S10\nM0\nG4 S5\n"), lambda _: None, done.set_result, stopped.set)
    await asyncio.wait_for(stopped.wait(), 5)
    assert machine.run is not None
    assert machine.elapsed(machine.run) == pytest.approx(10, abs=0.1)
    at = machine.position(machine.run).at
    await asyncio.sleep(0.1)
    assert machine.position(machine.run).at == at
    machine.resume()
    assert await asyncio.wait_for(done, 5) == pytest.approx(15, abs=0.1)
    assert (machine.completed, machine.bed) == (1, ["run-1"])


async def test_half_a_line_that_a_power_cut_left_is_cut_off(tmp_path: Path, scribe: Scribe) -> None:
    path = tmp_path / "log.jsonl"
    journal = Journal(path, scribe)
    journal.write("power-on")
    journal.close()
    with path.open("ab") as file:
        file.write(b'{"event":"sta')
    again = Journal(path, scribe)
    again.write("power-on")
    assert [entry["event"] for entry in again.entries()] == ["power-on", "power-on"]
    again.close()


async def test_many_writers_share_a_few_syncs(tmp_path: Path, scribe: Scribe) -> None:
    journals = [Journal(tmp_path / f"{number}.jsonl", scribe) for number in range(20)]
    told: list[int] = []
    for number, journal in enumerate(journals * 10):
        journal.write("command", lambda number=number: told.append(number))  # type: ignore[misc]
    async with asyncio.timeout(10):
        while len(told) < 200:
            await asyncio.sleep(0.01)
    assert told == sorted(told)
    for journal in journals:
        journal.close()
