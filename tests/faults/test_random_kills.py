"""Killed at random instants in bad weather, a farm of twenty printers loses and doubles nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults.sweep import Wish, sweep
from tests.faults.worlds import MOONRAKER

if TYPE_CHECKING:
    from pathlib import Path

KILLS = 60


@pytest.mark.timeout(600)
async def test_sixty_kills_at_random_instants_neither_lose_nor_double_a_print(
    seed: int, tmp_path: Path
) -> None:
    report = await sweep(Wish(KILLS, seed), tmp_path)
    print(report)
    assert not report.broken, "\n".join(report.broken)
    assert report.figures["kills"] >= KILLS
    assert report.figures["physical starts in bad weather"] > 0


@pytest.mark.timeout(300)
async def test_without_bad_weather_people_are_asked_exactly_where_a_kill_took_the_evidence(
    seed: int, tmp_path: Path
) -> None:
    report = await sweep(Wish(12, seed, copies=60, calm=True, printers=6), tmp_path)
    print(report)
    assert not report.broken, "\n".join(report.broken)


@pytest.mark.timeout(600)
async def test_klipper_printers_are_neither_lost_nor_doubled_in_bad_weather(
    seed: int, tmp_path: Path
) -> None:
    wish = Wish(15, seed, copies=40, printers=8, driver=MOONRAKER)
    report = await sweep(wish, tmp_path)
    print(report)
    assert not report.broken, "\n".join(report.broken)
    assert report.figures["kills"] >= 15
    assert report.figures["physical starts in bad weather"] > 0
