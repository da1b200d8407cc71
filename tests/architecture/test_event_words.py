"""What happens to a printer has words in every language of the web UI, and nothing else has."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import orjson
import pytest

from buildplate.core.print_table import PrintState
from buildplate.core.printers import Bed
from buildplate.fleet.model import CommandState
from tests.architecture.test_server_words import WORDS, texts, trees

LANGUAGES = ("en", "de")
KIND = re.compile(r"(printer|bed|command|print)\.(\w+|\{\})")
# What else is told of a printer: a file on it that nobody knows stops the farm.
ALSO = {"queue.stopped"}
TELLS = {"EventRecord", "event", "_event", "_exit_event"}
STATES = {"print": PrintState, "command": CommandState, "bed": Bed}


def kinds() -> set[str]:
    """Every kind of event of a printer, as the server's code writes them."""
    found: set[str] = set()
    for tree in trees().values():
        constants = dict(_constants(tree))
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and _called(node) in TELLS:
                given = [*node.args, *(one.value for one in node.keywords)]
                said = {text for one in given for text in texts(one)}
                names = {one.id for one in given if isinstance(one, ast.Name)}
                said |= {constants[name] for name in names & constants.keys()}
                found |= {kind for text in said for kind in _kinds_of(text)}
    return found


def _constants(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=str(text))):
                yield name, text


def _called(node: ast.Call) -> str:
    return getattr(node.func, "id", "") or getattr(node.func, "attr", "")


def _kinds_of(text: str) -> set[str]:
    found = KIND.fullmatch(text)
    if found is None:
        return {text} & ALSO
    about, what = found.groups()
    return {f"{about}.{state}" for state in STATES[about]} if what == "{}" else {text}


def test_the_kinds_are_found_in_the_code() -> None:
    assert {"printer.owned", "print.noted", "command.settled", "bed.occupied"} <= kinds()
    assert {"print.printing", "print.cancel_wanted", "queue.stopped"} <= kinds()


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_happens_to_a_printer_is_worded_and_nothing_else(language: str) -> None:
    words = orjson.loads((WORDS.parent / language / "printer.json").read_bytes())["event"]
    assert set(words) == {kind.replace(".", "_") for kind in kinds()}
    assert all(said.strip() for said in words.values())
