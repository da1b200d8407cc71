"""Longer worlds than can be explored to exhaustion: many copies, many bad events, by chance."""

from __future__ import annotations

import random
from functools import cache

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.exploration.canon import canonical
from tests.exploration.explorer import broken_promise, is_end, next_steps
from tests.exploration.flags import ALL_RULES
from tests.exploration.mind import Mind
from tests.exploration.world import Budget, HostKind, Scene, Step, World, first_world

MUCH = Budget(
    crash=3,
    restart=2,
    flap=2,
    foreign=2,
    failure=2,
    takeover=2,
    lost=3,
    cancel=1,
    pause=3,
    second_click=1,
)
LIES: dict[HostKind, Budget] = {
    "octoprint": MUCH._replace(timeless=1),
    "moonraker": MUCH._replace(moonraker=1),
}
QUIET_STEPS = 10_000


def long_scene(kind: HostKind, nodes: int, printers: int) -> Scene:
    return Scene(
        f"long {kind}",
        kind,
        copies=(3, 2),
        nodes=nodes,
        printers=printers,
        prints=12,
        uploads=6,
        odd=kind == "octoprint",
        budget=LIES[kind],
    )


@cache
def mind_of(kind: HostKind) -> Mind:
    return Mind(kind, ALL_RULES)


SCENES = st.builds(
    long_scene,
    st.sampled_from(("octoprint", "moonraker")),
    nodes=st.integers(1, 2),
    printers=st.integers(1, 2),
)
SEEDS = st.integers(0, 2**32 - 1)


def steps_from(scene: Scene, world: World) -> list[Step]:
    return list(next_steps(scene, mind_of(scene.kind), world)) if world.hosts else []


def take(scene: Scene, step: Step, trace: list[str]) -> World:
    trace.append(step.label)
    told = "\n".join(trace)
    assert step.broken is None, f"{step.broken}\n{told}"
    assert broken_promise(scene, step.world) is None, told
    return canonical(scene, step.world)


class LongWorld(RuleBasedStateMachine):
    """Whatever happens in whatever order, no promise is broken."""

    scene: Scene
    world: World
    trace: list[str]

    @initialize(scene=SCENES)
    def begin(self, scene: Scene) -> None:
        self.scene, self.trace = scene, []
        self.world = canonical(scene, first_world(scene))

    @rule(data=st.data())
    def anything_happens(self, data: st.DataObject) -> None:
        steps = steps_from(self.scene, self.world)
        if steps:
            step = steps[data.draw(st.integers(0, len(steps) - 1))]
            self.world = take(self.scene, step, self.trace)

    @rule(seed=SEEDS, many=st.integers(5, 30))
    def good_things_happen_for_a_while(self, seed: int, many: int) -> None:
        self.world = quietly(self.scene, self.world, random.Random(seed), many, self.trace)

    @invariant()
    def nobody_gets_more_than_was_ordered(self) -> None:
        made = zip(self.world.made, self.scene.copies, strict=True)
        assert all(done <= ordered for done, ordered in made)


def quietly(
    scene: Scene, world: World, chance: random.Random, most: int, trace: list[str]
) -> World:
    """Let up to `most` steps happen that are no bad events."""
    for _ in range(most):
        steps = [step for step in steps_from(scene, world) if not step.fault]
        if not steps or is_end(scene, world):
            break
        world = take(scene, chance.choice(steps), trace)
    return world


# Explaining a failure traces every line: too slow here, and the trace of labels says more.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink)
SLOW = [HealthCheck.too_slow]
LongWorld.TestCase.settings = settings(
    max_examples=25,
    stateful_step_count=40,
    deadline=None,
    phases=PHASES,
    suppress_health_check=SLOW,
)
TestLongWorlds = LongWorld.TestCase


@given(scene=SCENES, seed=SEEDS, bad=st.integers(0, 150))
@settings(max_examples=100, deadline=None, phases=PHASES, suppress_health_check=SLOW)
def test_after_many_bad_events_everything_ordered_is_made_once_they_stop(
    scene: Scene, seed: int, bad: int
) -> None:
    chance = random.Random(seed)
    world, trace = canonical(scene, first_world(scene)), list[str]()
    for _ in range(bad):
        steps = steps_from(scene, world)
        if steps:
            world = take(scene, chance.choice(steps), trace)
    world = quietly(scene, world, chance, QUIET_STEPS, trace)
    assert is_end(scene, world), "\n".join(trace[-60:])
