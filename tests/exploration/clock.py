"""Time in a small world: only before, now, and longer ago than every waiting time.

A decision is taken at moment 0 on a reading begun at 0; everything remembered lies at -1, or at
`-LONG` once time has been let pass. A decision that follows from an own effect, on the same
reading, is taken at moment 1, at which that effect happened.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from buildplate.core.deeds import Deeds, ExitStep, Order, Start

BEFORE = -1.0
NOW = 0.0
AFTER_EFFECT = 1.0
LONG = 5.0
ANSWERED = frozenset({Start.ACCEPTED, Start.REFUSED, Start.UNKNOWN})


def _rest(moment: float) -> float:
    return -LONG if moment <= -LONG else BEFORE


@cache
def at_rest(deeds: Deeds) -> Deeds:
    """The memory when the next decision will be taken on a fresh reading."""
    return replace(
        deeds,
        upload_at=BEFORE,
        start_at=_rest(deeds.start_at) if deeds.start in ANSWERED else BEFORE,
        exit_at=BEFORE if deeds.exit is ExitStep.NONE else _rest(deeds.exit_at),
        order_at=BEFORE if deeds.order is Order.NONE else _rest(deeds.order_at),
        puzzled_at=None if deeds.puzzled_at is None else _rest(deeds.puzzled_at),
    )


@cache
def long_after(deeds: Deeds) -> Deeds:
    """The memory after longer than every waiting time."""
    return replace(
        deeds,
        start_at=-LONG if deeds.start in ANSWERED else BEFORE,
        exit_at=BEFORE if deeds.exit is ExitStep.NONE else -LONG,
        order_at=BEFORE if deeds.order is Order.NONE else -LONG,
        puzzled_at=None if deeds.puzzled_at is None else -LONG,
    )


FRESH_MEMORY = at_rest(Deeds())
