"""Which faults a simulator plays when: ordered one by one, or rolled with a seeded chance."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from itertools import count
from typing import TYPE_CHECKING, Any

from buildplate_sim.errors import MalformedRuleError, UnknownFaultError

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

FOREVER = -1
REMEMBERED = 1000
"""Times at which a rule was played that it shows."""


@dataclass(slots=True)
class Rule:
    """Play fault `play` at moment `at` for the next `times` occasions that match.

    `method` and `path` are shell patterns on the request (or on the file's path, for moments that
    have no request), `command` is the body's `command`. `chance` is rolled at each occasion; one
    that is not rolled does not count as a time. `params` are the fault's own, durations in
    simulated seconds. `played_at` are the last times (unix s) it was played.
    """

    at: str
    play: str
    times: int = 1
    chance: float = 1.0
    method: str = "*"
    path: str = "*"
    command: str = "*"
    params: dict[str, Any] = field(default_factory=dict)
    id: int = 0
    played: int = 0
    played_at: list[float] = field(default_factory=list)

    def matches(self, at: str, method: str, path: str, command: str) -> bool:
        """Whether this is the rule's occasion."""
        return (
            self.at == at
            and self.times != 0
            and fnmatchcase(method, self.method)
            and fnmatchcase(path, self.path)
            and fnmatchcase(command, self.command)
        )


class RuleBook:
    """The rules of one simulated machine; the first that matches and rolls is played."""

    def __init__(
        self,
        known: dict[str, frozenset[str]],
        random: Random,
        refuse: Callable[[Rule], None] | None = None,
    ) -> None:
        self._known = known
        self._refuse = refuse
        self._random = random
        self._ids = count(1)
        self.rules: list[Rule] = []

    def add(self, wanted: dict[str, Any]) -> Rule:
        """Add a rule; `UnknownFaultError` names what can be played, `refuse` may raise, too."""
        try:
            rule = Rule(**wanted)
        except TypeError as error:
            raise MalformedRuleError(error) from error
        if rule.play not in self._known.get(rule.at, frozenset()):
            raise UnknownFaultError(f"{rule.at}.{rule.play}", self._known)
        if self._refuse is not None:
            self._refuse(rule)
        rule.id = next(self._ids)
        self.rules.append(rule)
        return rule

    def remove(self, rule_id: int | None = None) -> int:
        """Remove one rule, or all; answers how many."""
        before = len(self.rules)
        self.rules = [rule for rule in self.rules if rule_id not in (None, rule.id)]
        return before - len(self.rules)

    def seed_rates(self, rates: dict[str, float], params: dict[str, dict[str, Any]]) -> None:
        """Play faults `<moment>.<fault>` for ever, each with its own chance per occasion."""
        for name, chance in rates.items():
            at, _, play = name.partition(".")
            wanted = {"at": at, "play": play, "chance": chance, "times": FOREVER}
            self.add({**wanted, "params": params.get(name, {})})

    def draw(self, rule: Rule, name: str, default: float) -> float:
        """A rule's numeric parameter: given, or drawn from a pair of bounds."""
        value = rule.params.get(name, default)
        if isinstance(value, list):
            low, high = value
            return self._random.uniform(float(low), float(high))
        return float(value)

    def take(self, at: str, method: str = "", path: str = "", command: str = "") -> Rule | None:
        """The rule to play at this occasion, if any."""
        for rule in self.rules:
            if not rule.matches(at, method, path, command):
                continue
            if rule.chance < 1 and self._random.random() >= rule.chance:
                continue
            rule.played += 1
            rule.played_at.append(time.time())
            del rule.played_at[:-REMEMBERED]
            if rule.times > 0:
                rule.times -= 1
            return rule
        return None

    def listing(self) -> list[dict[str, Any]]:
        """All rules, as the admin API shows them."""
        return [asdict(rule) for rule in self.rules]
