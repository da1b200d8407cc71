"""docs/checklist.md names every owed feature once, and no test that does not exist."""

from __future__ import annotations

import ast
import re
from collections import Counter
from dataclasses import dataclass

from tests.architecture.source import ROOT

OWED = {"L": 42, "P": 37, "O": 46, "F": 40, "K": 50, "B": 26}
LINE = re.compile(r"^\| ([LPOFKB]\d+) \| (.+?) \| (\w+) \|(.*)\|$")
COMPONENT_TEST = re.compile(r"`(web/[\w./-]+\.test\.ts)`")
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


@dataclass(frozen=True, slots=True)
class Entry:
    id: str
    what: str
    status: str
    shown_by: str

    @property
    def tests(self) -> list[tuple[str, str]]:
        return TEST.findall(self.shown_by)


def entries() -> list[Entry]:
    lines = (ROOT / "docs" / "checklist.md").read_text(encoding="utf-8").splitlines()
    found = (LINE.match(line) for line in lines)
    return [Entry(*(part.strip() for part in m.groups())) for m in found if m]


def defined_tests(path: str) -> set[str]:
    file = ROOT / path
    if not file.is_file():
        return set()
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    }


def test_every_owed_feature_has_exactly_one_line() -> None:
    owed = [f"{letter}{n}" for letter, last in OWED.items() for n in range(1, last + 1)]
    assert Counter(e.id for e in entries()) == Counter(owed)


def test_a_status_is_open_part_or_done() -> None:
    assert {e.id: e.status for e in entries() if e.status not in {"open", "part", "done"}} == {}


def test_what_is_done_names_the_test_that_shows_it() -> None:
    assert [e.id for e in entries() if e.status in {"part", "done"} and not e.tests] == []


def test_every_named_test_exists() -> None:
    missing = {
        e.id: [f"{path}::{name}" for path, name in e.tests if name not in defined_tests(path)]
        for e in entries()
    }
    assert {id_: tests for id_, tests in missing.items() if tests} == {}


def test_every_named_component_test_exists() -> None:
    named = {path for e in entries() for path in COMPONENT_TEST.findall(e.shown_by)}
    assert named
    assert {path for path in named if not (ROOT / path).is_file()} == set()
