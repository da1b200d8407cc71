"""Each rule is needed: without it a world breaks a promise, or why none does is said."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from tests.exploration.flags import Rules
from tests.exploration.rules import REMOVALS, Removal, try_without

ROOT = Path(__file__).parents[2]
MOST = 10_000
CHAPTERS = {*map(str, range(1, 14)), "bed:", "owners:"}
QUICK = [removal for removal in REMOVALS if removal.scene is not None and not removal.long]


@pytest.mark.parametrize("removal", QUICK, ids=lambda removal: removal.rule)
def test_without_the_rule_a_promise_is_broken(removal: Removal) -> None:
    caught = try_without(removal, MOST)
    assert caught.trace, f"{caught.promise} in {caught.states} states"


def test_every_rule_is_taken_out_once() -> None:
    assert sorted(r.flag for r in REMOVALS if r.flag) == sorted(f.name for f in fields(Rules))


def test_no_rule_of_the_design_is_left_out() -> None:
    assert {removal.rule.split()[0] for removal in REMOVALS} == CHAPTERS


def test_a_rule_that_no_world_misses_has_its_reason_and_a_test_that_holds_it() -> None:
    for removal in REMOVALS:
        assert (removal.scene is None) is bool(removal.why_not) is bool(removal.held_by)
        assert removal.flag or removal.why_not
        if removal.held_by:
            file, name = removal.held_by.split("::")
            assert re.search(rf"\bdef {name}\(", (ROOT / file).read_text(encoding="utf-8"))
