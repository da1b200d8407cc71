"""Writes the parts of docs/ that the program itself knows: state diagrams from the state tables."""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from buildplate.core.print_table import AFTER_INTENT, TABLE, TERMINAL, Event, PrintState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

ROOT = Path(__file__).resolve().parents[1]
START = PrintState.QUEUED


def _label(events: Iterable[Event]) -> str:
    """Edge labels: Mermaid ends a label at a colon."""
    return " / ".join(event.value.replace(":", " –") for event in events)


def _edges() -> tuple[dict[tuple[str, str], list[Event]], dict[str, list[Event]]]:
    """The edges between two states, and those that leave every state after the intent alike."""
    sources: dict[tuple[Event, PrintState], set[PrintState]] = defaultdict(set)
    for row in TABLE:
        sources[row.event, row.next].add(row.state)
    single: dict[tuple[str, str], list[Event]] = defaultdict(list)
    common: dict[str, list[Event]] = defaultdict(list)
    for (event, to), states in sources.items():
        if states == AFTER_INTENT:
            common[to.value].append(event)
            continue
        for state in PrintState:
            if state in states and state != to:
                single[state.value, to.value].append(event)
    return single, common


def print_diagram() -> str:
    """The life of a print as a Mermaid state diagram."""
    single, common = _edges()
    inside = {s.value for s in AFTER_INTENT}
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {START.value}"]
    lines += [
        f"    {a} --> {b} : {_label(events)}"
        for (a, b), events in single.items()
        if not {a, b} <= inside
    ]
    lines += ['    state "after the intent" as after_intent {']
    lines += [
        f"        {a} --> {b} : {_label(events)}"
        for (a, b), events in single.items()
        if {a, b} <= inside
    ]
    lines += ["    }"]
    lines += [f"    after_intent --> {to} : {_label(events)}" for to, events in common.items()]
    lines += [f"    {s.value} --> [*]" for s in PrintState if s in TERMINAL]
    return "\n".join([*lines, "```"])


def print_table() -> str:
    """Every change of a print's state; what is not listed here raises."""
    grouped: dict[tuple[Event, PrintState], list[str]] = defaultdict(list)
    for row in TABLE:
        grouped[row.event, row.next].append(f"`{row.state.value}`")
    lines = ["| from | what happened | to |", "|---|---|---|"]
    lines += [
        f"| {', '.join(states)} | {event.value} | `{to.value}` |"
        for (event, to), states in grouped.items()
    ]
    return "\n".join(lines)


# page -> name of the part -> what writes it
PARTS: dict[str, dict[str, Callable[[], str]]] = {
    "docs/ARCHITECTURE.md": {"print-diagram": print_diagram, "print-table": print_table},
}


def fill(page: str, name: str, content: str) -> str:
    """The page with the part between its two markers replaced; ValueError when they are missing."""
    begin, end = f"<!-- generated: {name} -->", f"<!-- end: {name} -->"
    before, found, rest = page.partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        message = f"the markers of {name} are missing"
        raise ValueError(message)
    return f"{before}{begin}\n\n{content}\n\n{end}{after}"


def stale(*, write: bool) -> list[str]:
    """Names of the pages that differ from what the program says; rewrites them if asked."""
    found = []
    for where, parts in PARTS.items():
        path = ROOT / where
        old = path.read_text(encoding="utf-8")
        new = old
        for name, make in parts.items():
            new = fill(new, name, make())
        if new != old:
            found.append(where)
            if write:
                path.write_text(new, encoding="utf-8")
    return found


def main() -> int:
    """Exit code 0 when the pages are (or were made) up to date, 1 when --check finds stale ones."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail if stale")
    check = parser.parse_args().check
    found = stale(write=not check)
    for where in found:
        print(f"{where} is stale: run `make docs`" if check else f"wrote {where}")
    return 1 if check and found else 0


if __name__ == "__main__":
    sys.exit(main())
