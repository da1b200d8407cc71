"""What a Moonraker's subscription tells is passed on once, soon, and no oftener than is of use."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from buildplate.drivers.moonraker import levels
from buildplate.drivers.moonraker.channel import Channel, Pushes
from buildplate.drivers.moonraker.mapping import SAW_END
from buildplate.drivers.moonraker.rpc import LOST
from buildplate.drivers.sdk import DriverTimings, Push, PushKind, Temperature

STATUS: dict[str, dict[str, Any]] = {
    "webhooks": {"state": "ready"},
    "print_stats": {"state": "printing", "filename": "a.gcode", "print_duration": 100.0},
    "virtual_sdcard": {"progress": 0.5},
    "toolhead": {"homed_axes": "xyz"},
    "gcode_move": {"gcode_position": [1, 2.0, 3.0, 0.0], "speed_factor": 1.0},
    "extruder": {"temperature": 210.0, "target": 210.0},
    "heater_bed": {"temperature": 60.0, "target": 60.0},
    "fan": {"speed": 0.5},
}
TIMINGS = DriverTimings(request=0.2, settle=0.05)
"""Telemetry every 10 ms, ripe after 20."""


@dataclass
class Line:
    """A channel that is subscribed, and read by a task."""

    channel: Channel = field(default_factory=lambda: Channel(TIMINGS))
    pushes: list[Push] = field(default_factory=list)
    asked: int = 0

    def subscribes(self, status: Mapping[str, Any] = STATUS) -> None:
        self.channel.names = levels.names_of(status)
        self.channel.stale = True
        self.channel.subscribed(status, "1", self.channel.turns)

    def says(self, **status: Any) -> None:
        self.channel.take("notify_status_update", [status, 1.0])

    async def read_on(self) -> None:
        async for push in Pushes(self.channel, self.news):
            self.pushes.append(push)
            if self.channel.lost:
                return

    async def news(self) -> Push:
        self.asked += 1
        push = await self.channel.news()
        assert push is not None
        return push

    async def next(self) -> Push:
        before = len(self.pushes)
        async with asyncio.timeout(5):
            while len(self.pushes) == before:
                await asyncio.sleep(0.001)
        return self.pushes[before]

    def is_ripe(self) -> bool:
        return self.channel.ripe

    async def rests(self) -> None:
        """Until it is ripe and nothing is left to tell."""
        await asyncio.sleep(0.05)
        self.pushes.clear()


async def test_only_what_is_new_is_told_again_and_all_of_it_after_a_new_subscription() -> None:
    line = Line()
    line.subscribes()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(line.read_on())
        first = await line.next()
        assert first.kind is PushKind.CHANGED
        assert first.temperatures.keys() == {"tool0", "bed"}
        assert first.levels is not None
        assert first.levels.position == {"x": 1.0, "y": 2.0, "z": 3.0}
        await line.rests()

        line.says(extruder={"temperature": 211.0}, heater_bed={"temperature": 60.0})
        warmer = await line.next()
        assert warmer.kind is PushKind.TELEMETRY
        assert warmer.temperatures == {"tool0": Temperature(211.0, 210.0)}
        assert warmer.levels is None

        line.says(gcode_move={"gcode_position": [9.0, 2.0, 3.0, 0.0]})
        moved = await line.next()
        assert moved.temperatures == {}
        assert moved.levels is not None
        assert (moved.levels.position["x"], moved.levels.homed) == (9.0, "xyz")
        assert moved.levels.fans == {"part": 0.5}

        line.says(fan={"speed": 1.0}, print_stats={"info": {"current_layer": 4}})
        blown = await line.next()
        assert blown.levels is not None
        assert (blown.levels.fans, blown.levels.layer) == ({"part": 1.0}, 4)

        line.subscribes()
        again = await line.next()
        assert again.temperatures.keys() == {"tool0", "bed"}
        line.channel.take(LOST, [])


async def test_the_time_left_follows_the_seconds_although_the_state_stays() -> None:
    line = Line()
    line.subscribes()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(line.read_on())
        await line.rests()
        line.says(print_stats={"print_duration": 300.0}, virtual_sdcard={"progress": 0.75})
        told = await line.next()
        assert told.kind is PushKind.TELEMETRY
        assert told.progress == 0.75
        assert told.time_left_s == pytest.approx(100.0)
        line.says(print_stats={"state": "complete", "total_duration": 400.0})
        assert (await line.next()).kind is PushKind.CHANGED
        assert [one.kind for one in line.channel.record.heard_since(0)] == [SAW_END]
        line.channel.take(LOST, [])


async def test_telemetry_waits_for_its_turn_and_a_change_does_not() -> None:
    line = Line(Channel(DriverTimings(request=200.0, settle=0.05)))
    line.subscribes()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(line.read_on())
        await line.rests()
        for number in range(50):
            line.says(extruder={"temperature": 200.0 + number})
            await asyncio.sleep(0)
        assert line.pushes == []
        line.says(print_stats={"state": "paused"})
        told = await line.next()
        assert told.kind is PushKind.CHANGED
        assert told.temperatures["tool0"].actual == 249.0
        line.channel.take(LOST, [])


async def test_ripeness_is_told_once_by_itself() -> None:
    line = Line()
    line.subscribes()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(line.read_on())
        await line.next()
        assert not line.is_ripe()
        assert (await line.next()).kind is PushKind.CHANGED
        assert line.is_ripe()
        await asyncio.sleep(0.05)
        assert len(line.pushes) == 2
        line.channel.take(LOST, [])


async def test_a_push_that_is_only_waited_for_is_handed_over_without_being_asked_for() -> None:
    line = Line()
    line.subscribes()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(line.read_on())
        await line.rests()
        before = line.asked
        for number in range(5):
            line.says(extruder={"temperature": 100.0 + number})
            assert (await line.next()).temperatures["tool0"].actual == 100.0 + number
            await asyncio.sleep(0.015)
        assert line.asked - before <= 1
        line.says(print_stats={"state": "paused"})
        assert (await line.next()).kind is PushKind.CHANGED
        line.channel.take(LOST, [])
    assert line.pushes[-1].kind is PushKind.CHANGED
    assert line.channel.over


async def test_factors_and_the_offset_are_told_when_they_change() -> None:
    line = Line()
    line.subscribes()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(line.read_on())
        await line.rests()
        factors = {"speed_factor": 1.2, "extrude_factor": 0.9}
        line.says(gcode_move={**factors, "homing_origin": [0.0, 0.0, 0.25, 0.0]})
        told = (await line.next()).levels
        assert told is not None
        assert (told.speed, told.flow, told.z_offset) == (1.2, 0.9, 0.25)
        assert told.position == {"x": 1.0, "y": 2.0, "z": 3.0}
        assert told.homed == "xyz"
        line.channel.take(LOST, [])


async def test_an_ear_is_told_of_telemetry_at_once_and_who_waits_of_changes_alone() -> None:
    line, told = Line(Channel(DriverTimings(request=1.6, settle=0.05))), list[Push]()
    line.subscribes()
    async with asyncio.timeout(9), asyncio.TaskGroup() as tasks:
        tasks.create_task(line.read_on())
        await asyncio.sleep(0.15)
        line.pushes.clear()
        line.channel.ear = told.append
        line.says(extruder={"temperature": 150.0})
        assert told.pop().temperatures == {"tool0": Temperature(150.0, 210.0)}
        line.says(extruder={"temperature": 151.0})
        assert told == []  # it is not due yet
        await asyncio.sleep(0.1)
        assert told.pop().temperatures["tool0"].actual == 151.0
        await asyncio.sleep(0.1)
        assert (told, line.pushes) == ([], [])
        line.says(print_stats={"state": "paused"}, extruder={"temperature": 152.0})
        changed = await line.next()
        assert (changed.kind, told) == (PushKind.CHANGED, [])
        assert changed.temperatures["tool0"].actual == 152.0
        line.channel.take(LOST, [])
