"""What shows that the UI is used by keys alone uses no pointer, nor do its helpers."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.architecture.source import ROOT

BROWSER = ROOT / "tests" / "browser"
BY_KEYS = (
    "test_keyboard*.py",
    "test_palette.py",
    "test_reorder.py",
    "test_reach.py",
    "test_axe_dialogs.py",
    "openings.py",
    "reach.py",
)
POINTER = frozenset(
    {
        "check",
        "click",
        "dblclick",
        "drag_and_drop",
        "drag_to",
        "hover",
        "mouse",
        "set_checked",
        "tap",
        "touchscreen",
        "uncheck",
    }
)


def by_keys() -> list[Path]:
    """The files that promise it."""
    return sorted(path for pattern in BY_KEYS for path in BROWSER.glob(pattern))


def pointers(tree: ast.AST) -> set[str]:
    """What of playwright's pointer is used there."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in POINTER:
            found.add(f".{node.attr} in line {node.lineno}")
        if isinstance(node, ast.Attribute) and node.attr == "dispatch_event":
            found.add(f".dispatch_event in line {node.lineno}")
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found |= {
                f".{name}() in line {node.lineno}" for name in POINTER if f".{name}()" in node.value
            }
    return found


def helpers() -> dict[str, set[str]]:
    """What each function of `pages.py` uses of it, also by the others that it calls."""
    tree = ast.parse((BROWSER / "pages.py").read_text("utf-8"))
    functions = {one.name: one for one in tree.body if isinstance(one, ast.AsyncFunctionDef)}
    found: dict[str, set[str]] = {}

    def of(name: str) -> set[str]:
        if name not in found:
            found[name] = pointers(functions[name])
            called = {one.id for one in ast.walk(functions[name]) if isinstance(one, ast.Name)}
            for other in (called & functions.keys()) - {name}:
                found[name] |= of(other)
        return found[name]

    return {name: of(name) for name in functions}


def imported(tree: ast.AST) -> set[str]:
    """What is taken from `pages.py`."""
    return {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "tests.browser.pages"
        for alias in node.names
    }


def test_the_keyboard_tests_use_no_pointer() -> None:
    found = {path.name: pointers(ast.parse(path.read_text("utf-8"))) for path in by_keys()}
    assert len(found) >= len(BY_KEYS)
    assert {name: used for name, used in found.items() if used} == {}


def test_what_they_are_helped_by_uses_none_either() -> None:
    used = helpers()
    assert used["act_on"], "the pointer is not seen any more"
    found = {
        path.name: {name for name in imported(ast.parse(path.read_text("utf-8"))) if used.get(name)}
        for path in by_keys()
    }
    assert {name: by for name, by in found.items() if by} == {}
    conftest = ast.parse((BROWSER / "conftest.py").read_text("utf-8"))
    assert {name for name in imported(conftest) if used.get(name)} == set()
