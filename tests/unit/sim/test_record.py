"""The reference names every event of the record."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
WRITTEN = re.compile(r'(?:journal\.write|self\._note)\(\s*"([a-z-]+)"')
NAME = re.compile(r"`([a-z-]+)`")


def test_every_event_that_is_written_is_in_the_reference() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "src/buildplate_sim").rglob("*.py"))
    page = (ROOT / "docs/reference/simulators.md").read_text()
    table = page.split("| event | facts |\n|---|---|\n", 1)[1].split("\n\n", 1)[0]
    named = set(NAME.findall(" ".join(row.split("|")[1] for row in table.splitlines())))
    assert set(WRITTEN.findall(sources)) == named
