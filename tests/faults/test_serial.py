"""Some serial prints with faults and first connections; the tools beside it make hundreds."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from buildplate_sim.launch import firmware_printers
from tests.faults import serial_kills
from tests.faults.serial_connections import DIALECTS, First, first
from tests.faults.serial_prints import Outcome, one_print
from tests.integration.serial_printer import moves

pytestmark = pytest.mark.timeout(120)
BAUDS = (115200, 250000)


async def test_prints_with_faults_are_accepted_line_by_line(tmp_path: Path) -> None:
    seed = random.randrange(1 << 32)
    print(f"python -m tests.faults.serial_prints --prints 3 --seed {seed}")
    dice = random.Random(seed)
    more = ["--cold", "--no-thermal-protection"]
    dialect = dice.choice(DIALECTS)
    async with firmware_printers(
        tmp_path, dialect=dialect, time_factor=100.0, seed=seed, more=more
    ) as simulator:
        found: list[Outcome] = [
            await one_print(simulator, tmp_path, moves(60), number, kind)
            for number, kind in enumerate(("clean", "faults", "power loss"))
        ]
    assert [str(one) for one in found if one.wrong] == []


async def test_first_connections_succeed_or_explain_themselves(tmp_path: Path) -> None:
    seed = random.randrange(1 << 32)
    print(f"python -m tests.faults.serial_connections --rounds 1 --seed {seed}")
    dice = random.Random(seed)
    some = dice.sample(DIALECTS, 3)
    async with asyncio.TaskGroup() as tasks:
        works = [
            tasks.create_task(
                first(tmp_path / name, name, dice.choice(BAUDS), resets=dice.random() < 0.5, told=0)
            )
            for name in some
        ]
    found: list[First] = [work.result() for work in works]
    assert [str(one) for one in found if one.code] == []


async def test_a_wrong_speed_explains_itself(tmp_path: Path) -> None:
    found = await first(tmp_path, "marlin2", 250000, resets=True, told=115200)
    assert found.code == "serial_wrong_baud"


async def test_a_process_that_dies_around_the_last_moves_never_calls_a_whole_print_a_failure(
    tmp_path: Path,
) -> None:
    """`python -m tests.faults.sweep --driver marlin` kills at every point, and at random."""
    more = ["--cold", "--no-reset-on-open", "--no-thermal-protection"]
    async with firmware_printers(
        tmp_path / "board", time_factor=serial_kills.FACTOR, more=more
    ) as simulator:
        found = [
            await serial_kills.death(simulator, tmp_path / str(at), point)
            for at, point in enumerate(("before:note.tail", "after:note.tail", "before:note.ended"))
        ]
    assert [str(one) for one in found if one.wrong] == []
    assert [one.verdict for one in found] == ["failed", "doubt", "doubt"]
