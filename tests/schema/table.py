"""The tables of the docs that the server is held to: paths and roles, statuses and codes."""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs" / "reference"
ROW = re.compile(r"^\| (\w+) \| `(/[^`]*)` \| (.*) \|$", re.MULTILINE)
PROBLEM = re.compile(r"^\| (\d{3}) \| `(\w+)` \|", re.MULTILINE)
WHO = ("nobody", "viewer", "operator", "admin", "confined")


def access_table() -> dict[tuple[str, str], dict[str, str]]:
    """Who is let in, by method and path: `yes`, `own`, or an en dash."""
    found = ROW.findall((DOCS / "access.md").read_text(encoding="utf-8"))
    table = {(method, path): dict(zip(WHO, cells.split(" | "), strict=True))
             for method, path, cells in found}  # fmt: skip
    assert len(table) == len(found) > 60
    return table


def documented_problems() -> set[tuple[int, str]]:
    """Every status and code that the docs know."""
    found = PROBLEM.findall((DOCS / "api.md").read_text(encoding="utf-8"))
    assert len(found) > 40
    return {(int(status), code) for status, code in found}
