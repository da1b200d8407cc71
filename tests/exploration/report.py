"""Says in words what an exploration found."""

from __future__ import annotations

from tests.exploration.explorer import Outcome, Trace


def told(outcome: Outcome) -> str:
    """The outcome with the shortest trace to each broken promise."""
    if outcome.holds:
        return f"every promise holds in all {outcome.states} states"
    parts = [] if outcome.complete else [f"not complete after {outcome.states} states"]
    parts += [f"BROKEN: {promise}\n{numbered(trace)}" for promise, trace in outcome.broken.items()]
    if outcome.dead_end is not None:
        parts.append(f"DEAD END\n{numbered(outcome.dead_end)}")
    return "\n".join(parts)


def numbered(trace: Trace) -> str:
    """A trace, one numbered step a line."""
    return "\n".join(f"    {number:3} {label}" for number, label in enumerate(trace, 1))
