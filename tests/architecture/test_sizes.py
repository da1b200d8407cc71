"""The tail is what rots: no file, function or class grows past what a person can hold."""

from __future__ import annotations

import ast

from tests.architecture.source import modules

FILE_LINES = 600
FUNCTION_LINES = 80
PUBLIC_METHODS = 15

# name -> why it may be longer
ARGUED: dict[str, str] = {
    "src/buildplate/protocols/marlin/sender.py:Sender": "four of them only say how it stands, and"
    " the three ways to take an answer stand together because they must mean the same",
    "src/buildplate/drivers/moonraker/driver.py:MoonrakerDriver": "the SDK's contract has as many",
}
# A migration is a list of tables, frozen once released; nobody reads it to change it.
LISTS = "src/buildplate/storage/migrations/versions/"


def test_no_file_is_too_long() -> None:
    found = {m.where: m.lines for m in modules() if m.lines > FILE_LINES and m.where not in ARGUED}
    assert found == {}, "which two ideas live here?"


def test_no_function_is_too_long() -> None:
    found = {}
    for m in modules():
        if m.where.startswith(LISTS):
            continue
        for node in ast.walk(m.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                name = f"{m.where}:{node.name}"
                if length > FUNCTION_LINES and name not in ARGUED:
                    found[name] = length
    assert found == {}, "a function reads in one screen"


def test_no_class_does_too_much() -> None:
    found = {}
    for m in modules():
        for node in ast.walk(m.tree):
            if isinstance(node, ast.ClassDef):
                public = [
                    f.name
                    for f in node.body
                    if isinstance(f, ast.FunctionDef | ast.AsyncFunctionDef)
                    and not f.name.startswith("_")
                ]
                name = f"{m.where}:{node.name}"
                if len(public) > PUBLIC_METHODS and name not in ARGUED:
                    found[name] = len(public)
    assert found == {}


def test_every_module_says_what_it_is_for() -> None:
    assert [m.where for m in modules() if not ast.get_docstring(m.tree)] == []
