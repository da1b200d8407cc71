"""Each rule is needed: without it a world breaks a promise, or why none does is said."""

from __future__ import annotations

from dataclasses import fields

import pytest

from tests.exploration.flags import Rules
from tests.exploration.rules import REMOVALS, Removal, try_without

MOST = 10_000
QUICK = [removal for removal in REMOVALS if removal.scene is not None and not removal.long]


@pytest.mark.parametrize("removal", QUICK, ids=lambda removal: removal.rule)
def test_without_the_rule_a_promise_is_broken(removal: Removal) -> None:
    caught = try_without(removal, MOST)
    assert caught.trace, f"{caught.promise} in {caught.states} states"


def test_every_rule_is_taken_out_once() -> None:
    assert sorted(r.flag for r in REMOVALS) == sorted(f.name for f in fields(Rules))


def test_a_rule_that_no_world_misses_has_its_reason() -> None:
    assert [r.flag for r in REMOVALS if (r.scene is None) is not bool(r.why_not)] == []
