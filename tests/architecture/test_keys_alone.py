"""What shows that the UI is used by keys alone uses no pointer, nor do its helpers."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

from tests.architecture.source import ROOT

FOLDER = "tests.browser"
BROWSER = ROOT / "tests" / "browser"
BY_KEYS = (
    "test_keyboard*.py",
    "test_palette.py",
    "test_reorder.py",
    "test_reach.py",
    "test_axe_dialogs.py",
    "test_kept_focus.py",
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


@cache
def parsed(module: str) -> ast.Module:
    """The tree of a module of this folder, by its dotted name."""
    return ast.parse((ROOT / f"{module.replace('.', '/')}.py").read_text("utf-8"))


@cache
def defined(module: str) -> dict[str, ast.stmt]:
    """What a module defines: functions, classes and constants, by name."""
    found: dict[str, ast.stmt] = {}
    for node in parsed(module).body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                found[node.name] = node
            case ast.Assign(targets=targets):
                names = (one for target in targets for one in ast.walk(target))
                found |= {one.id: node for one in names if isinstance(one, ast.Name)}
            case ast.AnnAssign(target=ast.Name(id=name)):
                found[name] = node
    return found


def imported(tree: ast.AST) -> dict[str, tuple[str, str]]:
    """What is taken from modules of this folder: its name here -> module and name there.

    A module that is taken as a whole has no name there.
    """
    found = {}
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom) or node.module is None:
            continue
        for alias in node.names:
            if node.module == FOLDER:
                found[alias.asname or alias.name] = (f"{FOLDER}.{alias.name}", "")
            elif node.module.startswith(f"{FOLDER}."):
                found[alias.asname or alias.name] = (node.module, alias.name)
    return found


def reached(module: str, name: str, seen: set[tuple[str, str]]) -> set[str]:
    """What of the pointer this uses, also by all of this folder that it names."""
    if (module, name) in seen:
        return set()
    seen.add((module, name))
    tree, known = parsed(module), defined(module)
    others = imported(tree)
    if name in others:
        return reached(*others[name], seen)
    node = known[name] if name else tree
    found = {f"{module}{one}" for one in pointers(node)}
    named = {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}
    for other in named & known.keys():
        found |= reached(module, other, seen)
    for other in named & others.keys():
        found |= reached(*others[other], seen)
    return found


def helped(path: Path) -> set[str]:
    """What of the pointer a file uses by what it imports from this folder."""
    seen: set[tuple[str, str]] = set()
    taken = imported(ast.parse(path.read_text("utf-8"))).values()
    return {used for module, name in taken for used in reached(module, name, seen)}


def test_the_keyboard_tests_use_no_pointer() -> None:
    found = {path.name: pointers(ast.parse(path.read_text("utf-8"))) for path in by_keys()}
    assert len(found) >= len(BY_KEYS)
    assert {name: used for name, used in found.items() if used} == {}


def test_what_they_are_helped_by_uses_none_either() -> None:
    found = {path.name: helped(path) for path in [*by_keys(), BROWSER / "conftest.py"]}
    assert {name: used for name, used in found.items() if used} == {}


def test_what_helps_by_a_pointer_is_seen_in_whatever_module() -> None:
    assert reached(f"{FOLDER}.pages", "act_on", set())
    assert reached(f"{FOLDER}.roles", "press_everything", set())
    assert any(f"{FOLDER}.pages" in one for one in helped(BROWSER / "test_orders.py"))
