"""Explores a world to exhaustion, breadth first, so that every trace found is a shortest one."""

from __future__ import annotations

import gc
import time
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field

from buildplate.core.actions import Action
from buildplate.core.print_table import PrintState
from tests.exploration.canon import canonical
from tests.exploration.hosts import host_steps
from tests.exploration.mind import Mind
from tests.exploration.people import fault_steps, people_steps
from tests.exploration.sessions import node_steps
from tests.exploration.world import Scene, Step, World, file_of, first_world, is_live

Trace = tuple[str, ...]


@dataclass(slots=True)
class Outcome:
    """What an exploration found: broken promises with their shortest traces, and dead ends."""

    states: int = 0
    seconds: float = 0.0
    complete: bool = True
    broken: dict[str, Trace] = field(default_factory=dict)
    dead_end: Trace | None = None
    notes: set[str] = field(default_factory=set)
    decided: set[tuple[PrintState, Action]] = field(default_factory=set)

    @property
    def holds(self) -> bool:
        """Whether every promise was kept in every state, and an end can be reached from each."""
        return self.complete and not self.broken and self.dead_end is None


def next_steps(scene: Scene, mind: Mind, world: World) -> Iterator[Step]:
    """Everything that can happen next, each with the world it leads to."""
    yield from node_steps(scene, mind, world)
    yield from host_steps(scene, world)
    yield from people_steps(scene, world)
    yield from fault_steps(scene, world)


def broken_promise(scene: Scene, world: World) -> str | None:
    """The promise on jobs that does not hold in this world, if any."""
    for job, copies in enumerate(scene.copies):
        prints = [print_ for print_ in world.prints if print_.job == job]
        live = sum(is_live(p) or p.state is PrintState.COMPLETED for p in prints)
        if live > copies:
            return "MORE PRINTS THAN COPIES"
        if live < copies and not world.jobs[job] and len(world.prints) < scene.prints:
            return "A COPY IS LOST"
    return None


def is_end(scene: Scene, world: World) -> bool:
    """Whether everything ordered is made or ended, or the world has reached its bounds."""
    if any(is_live(p) and p.attempt >= scene.uploads for p in world.prints):
        return True
    if not any(is_live(p) for p in world.prints):
        return True
    if not scene.words and all(_only_people_know(world, i) for i in range(len(world.prints))):
        return True
    for job, cancelled in enumerate(world.jobs):
        if not cancelled:
            return False
        if any(is_live(p) for p in world.prints if p.job == job):
            return False
    return True


def _only_people_know(world: World, index: int) -> bool:
    """Whether a print has ended, or has come to where no printer shows anything of it any more."""
    print_, file = world.prints[index], file_of(world, index)
    if not is_live(print_):
        return True
    if print_.state is not PrintState.NEEDS_ATTENTION or print_.exit is not None:
        return False
    host = world.hosts[print_.printer]
    runs = host.run is not None and host.run.file == file
    ended = any(entry.file == file for entry in (*host.history, host.last) if entry is not None)
    return not runs and not ended


class Explorer:
    """One exploration: the worlds found, by number, and how each was first reached."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._mind = Mind(scene.kind, scene.rules)
        self._worlds: list[World] = []
        self._numbers: dict[World, int] = {}
        self._reached_from = array("l")
        self._before: list[array[int]] = []
        self.outcome = Outcome()

    def run(self, limit: int, *, to_first: bool = False) -> Outcome:
        """Explore up to `limit` states; `to_first` stops at the first broken promise."""
        begun = time.perf_counter()
        self._find(first_world(self._scene), -1)
        number = 0
        while number < len(self._worlds) and len(self._worlds) <= limit:
            self._explore(number)
            number += 1
            if to_first and self.outcome.broken:
                break
        self.outcome.complete = number == len(self._worlds)
        if self.outcome.complete and not self.outcome.broken:
            self._look_for_dead_ends()
        self.outcome.decided = self._mind.decided()
        self.outcome.states = len(self._worlds)
        self.outcome.seconds = time.perf_counter() - begun
        return self.outcome

    def _find(self, world: World, before: int) -> int:
        world = canonical(self._scene, world)
        number = self._numbers.setdefault(world, len(self._worlds))
        if number == len(self._worlds):
            self._worlds.append(world)
            self._reached_from.append(before)
            self._before.append(array("l"))
        return number

    def _explore(self, number: int) -> None:
        world = self._worlds[number]
        if not world.hosts:
            return  # all over
        for step in next_steps(self._scene, self._mind, world):
            broken = step.broken or broken_promise(self._scene, step.world)
            if broken is not None:
                kind = broken.split(" (")[0]
                if kind not in self.outcome.broken:
                    self.outcome.broken[kind] = (*self._trace(number), step.label, broken)
                continue
            if step.note is not None:
                self.outcome.notes.add(step.note)
            found = self._find(step.world, number)
            if not step.fault and found != number:
                self._before[found].append(number)

    def _trace(self, number: int) -> Trace:
        """The labels of a shortest way to a world."""
        way = []
        while number:
            before = self._reached_from[number]
            way.append(self._label(before, self._worlds[number]))
            number = before
        return tuple(reversed(way))

    def _label(self, number: int, world: World) -> str:
        for step in next_steps(self._scene, self._mind, self._worlds[number]):
            if canonical(self._scene, step.world) == world:
                return step.label
        message = "a world that was reached cannot be reached"
        raise AssertionError(message)

    def _look_for_dead_ends(self) -> None:
        """From every state an end must be reachable without one more bad event."""
        good = [is_end(self._scene, world) for world in self._worlds]
        todo = [number for number, ended in enumerate(good) if ended]
        while todo:
            for before in self._before[todo.pop()]:
                if not good[before]:
                    good[before] = True
                    todo.append(before)
        if not all(good):
            self.outcome.dead_end = (*self._trace(good.index(False)), "NO END CAN BE REACHED")


def explore(scene: Scene, limit: int = 2_000_000, *, to_first: bool = False) -> Outcome:
    """Explore a world up to `limit` states."""
    collects = gc.isenabled()
    gc.disable()  # millions of tuples without a cycle: looking for cycles takes a third of the time
    try:
        return Explorer(scene).run(limit, to_first=to_first)
    finally:
        if collects:
            gc.enable()
