"""A group's name that is used again shows nothing of what was called by it before."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from buildplate.access.model import Role
from buildplate.api import live_hub
from tests.service.api.surface import Surface, listening
from tests.service.api.test_live import listener
from tests.service.api.test_live_groups import ours


async def _key(surface: Surface, group: str) -> str:
    made = await surface.farm.keys.create(f"of {group}", Role.OPERATOR, None, frozenset({group}))
    return made.secret


async def _rename(surface: Surface, old: str, new: str) -> None:
    (group,) = [one for one in await surface.farm.access.groups.groups() if one.name == old]
    answer = await surface.client.patch(f"/api/v1/groups/{group.id}", json={"name": new})
    assert answer.is_success, answer.text


async def _jobs(surface: Surface, group: str, count: int) -> list[dict[str, Any]]:
    wanted: dict[str, Any] = {"requirements": {"group": group}, "hold": True}
    return [await surface.job(**wanted, customer=f"customer of {group}") for _ in range(count)]


async def test_whoever_comes_to_a_name_sees_no_job_of_those_who_had_it(surface: Surface) -> None:
    await _key(surface, "ours")
    key = await _key(surface, "theirs")
    old = await _jobs(surface, "ours", 3)
    new = await _jobs(surface, "theirs", 3)
    async with listening(surface) as port:
        async with listener(surface, port) as all_:
            await all_.until(lambda: len(all_.jobs) == 6)
        await surface.client.post(f"/api/v1/jobs/{old[0]['id']}/release")  # read, then rest
        await asyncio.sleep(0.1)
        await _rename(surface, "ours", "mine")
        await _rename(surface, "theirs", "ours")
        async with ours(surface, port, key) as seen:
            await seen.until(lambda: seen.jobs.keys() >= {one["id"] for one in new})
            await seen.until(lambda: seen.queue["total"] == 3)
            text = json.dumps(seen.frames)
        assert [one["id"] for one in old if one["id"] in text] == []
        assert "customer of ours" not in text


async def test_whoever_had_a_name_sees_no_job_of_those_who_come_to_it(
    surface: Surface, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_hub, "OTHER_GROUPS", frozenset())  # as where their events are late
    key = await _key(surface, "ours")
    await _key(surface, "theirs")
    new = await _jobs(surface, "theirs", 2)
    async with (
        listening(surface) as port,
        ours(surface, port, key, topics="jobs,events,queue") as seen,
    ):
        await seen.next()
        await _rename(surface, "ours", "mine")
        await _rename(surface, "theirs", "ours")
        for one in new:
            await surface.client.post(f"/api/v1/jobs/{one['id']}/release")
        await seen.closed()
        assert [one["id"] for one in new if one["id"] in json.dumps(seen.frames)] == []
