"""Faults are played when and as often as they were ordered, and chance repeats itself."""

from __future__ import annotations

from random import Random

import pytest

from buildplate_sim.errors import ControlError
from buildplate_sim.rules import FOREVER, RuleBook

KNOWN = {"request": frozenset({"hold", "lose"}), "start": frozenset({"late"})}


def book(seed: int = 1) -> RuleBook:
    return RuleBook(KNOWN, Random(seed))


def test_a_rule_is_played_once_unless_it_says_otherwise() -> None:
    rules = book()
    rules.add({"at": "request", "play": "hold"})
    rules.add({"at": "start", "play": "late", "times": 2})
    assert [rules.take("request") is not None for _ in range(2)] == [True, False]
    assert [rules.take("start") is not None for _ in range(3)] == [True, True, False]


def test_a_rule_waits_for_its_own_occasion() -> None:
    rules = book()
    rules.add(
        {"at": "request", "play": "lose", "method": "POST", "path": "*/bp-*", "command": "p*"}
    )
    assert rules.take("request", "GET", "/files/bp-1", "print") is None
    assert rules.take("request", "POST", "/files/other", "print") is None
    assert rules.take("request", "POST", "/files/bp-1", "cancel") is None
    assert rules.take("start", "POST", "/files/bp-1", "print") is None
    assert rules.take("request", "POST", "/files/bp-1", "print") is not None


def test_the_first_rule_that_matches_goes_first() -> None:
    rules = book()
    rules.add({"at": "request", "play": "hold"})
    rules.add({"at": "request", "play": "lose", "times": FOREVER})
    taken = [rules.take("request") for _ in range(3)]
    assert [rule.play for rule in taken if rule is not None] == ["hold", "lose", "lose"]


def test_equal_seeds_play_equal_faults_about_as_often_as_asked() -> None:
    def rolls(seed: int) -> list[bool]:
        rules = book(seed)
        rules.seed_rates({"request.hold": 0.3}, {})
        return [rules.take("request") is not None for _ in range(1000)]

    assert rolls(1) == rolls(1) != rolls(2)
    assert 230 < sum(rolls(1)) < 370


def test_a_parameter_may_be_drawn_from_bounds() -> None:
    rules = book()
    rule = rules.add({"at": "request", "play": "hold", "params": {"seconds": [5, 30]}})
    drawn = [rules.draw(rule, "seconds", 1.0) for _ in range(50)]
    assert 5 <= min(drawn) < max(drawn) <= 30
    assert rules.draw(rule, "other", 1.5) == 1.5


@pytest.mark.parametrize(
    "wanted",
    [{"at": "request", "play": "explode"}, {"at": "nowhere", "play": "hold"}, {"what": 1}],
)
def test_what_cannot_be_played_is_refused(wanted: dict[str, object]) -> None:
    with pytest.raises(ControlError):
        book().add(wanted)


def test_rules_can_be_taken_back() -> None:
    rules = book()
    first = rules.add({"at": "request", "play": "hold"})
    rules.add({"at": "request", "play": "lose"})
    assert rules.remove(first.id) == 1
    assert [rule["play"] for rule in rules.listing()] == ["lose"]
    assert rules.remove() == 1
