"""What the server says is worded in the web UI's other languages, and nothing else is."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import pytest

import buildplate
from buildplate.api.problems import FAMILIES, INSIDE, OWN, facts_of
from buildplate.app.drivers import installed_drivers
from buildplate.fleet.sealing import SecretLocked

SOURCE = Path(buildplate.__file__).parent
WORDS = SOURCE.parents[1] / "web" / "src" / "i18n" / "server"
LANGUAGES = ("de",)
PARAMETER = re.compile(r"\{\w+\}")
# Who is told why a print, a bed or an order is as it is: people read it in the UI.
TOLD_WHY = {
    "AbandonExit", "BedChange", "BeginExit", "DropOrder", "Move", "RefuseAsk", "Verdict",
    "_cancel_one", "_drop_queued", "refuse_asked",
}  # fmt: skip
WHY = {"reason", "why"}
# These rooms decide; their words for it stand in `reason` and `why`, too.
DECIDE = ("core/prints.py", "core/leaving.py", "core/beds.py", "dispatch/steward.py")


@cache
def worded(language: str, kind: str) -> dict[str, Any]:
    """A part of the UI's catalogue of the server's words."""
    found: dict[str, Any] = orjson.loads((WORDS / f"{kind}.{language}.json").read_bytes())
    return found


def codes() -> set[str]:
    """Every code that an answer of the API can have."""
    installed_drivers()  # their errors are known once they are loaded
    found = {code for _, code in OWN} | {facts_of(Exception())["code"], SecretLocked.code}
    pending: list[type[Any]] = list(FAMILIES)
    while pending:
        kind = pending.pop()
        pending += kind.__subclasses__()
        # What a restore meets beside the server has no answer of the API.
        if kind not in INSIDE and kind.__module__.rpartition(".")[2] in {"errors", "job_state"}:
            found.add(kind.code)
    return found


def shape(text: str) -> str:
    """A sentence whatever its parameters are called."""
    return PARAMETER.sub("{}", text)


def texts(node: ast.AST) -> Iterator[str]:
    """The texts that are written in the code below, with `{}` for what is put into them."""
    match node:
        case ast.JoinedStr(values=values):
            yield "".join(
                str(one.value) if isinstance(one, ast.Constant) else "{}" for one in values
            )
            for one in values:
                if isinstance(one, ast.FormattedValue):
                    yield from texts(one.value)
        case ast.Constant(value=str(text)):
            yield text
        case _:
            for below in ast.iter_child_nodes(node):
                yield from texts(below)


@cache
def trees() -> dict[str, ast.Module]:
    """Every module of the server."""
    return {
        path.relative_to(SOURCE).as_posix(): ast.parse(path.read_text("utf-8"))
        for path in SOURCE.rglob("*.py")
    }


def reasons() -> set[str]:
    """The reasons that the server stores or tells, as they are written in its code."""
    found: set[str] = set()
    for where, tree in trees().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and _name(node.func) in TOLD_WHY:
                found |= {one for given in node.args for one in texts(given)}
            elif where in DECIDE and isinstance(node, ast.Assign) and _says_why(node):
                found |= set(texts(node.value))
    return {one for one in found if " " in one.strip()}


def _says_why(node: ast.Assign) -> bool:
    return bool({_name(target) for target in node.targets} & WHY)


def _name(node: ast.AST) -> str:
    return getattr(node, "id", "") or getattr(node, "attr", "")


def test_the_reasons_are_found_in_the_code() -> None:
    assert len(reasons()) > 30
    assert "cancelled before the start" in reasons()
    assert "no sign of the start, the printer is {}" in reasons()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_code_of_an_answer_is_worded_and_no_other(language: str) -> None:
    assert set(worded(language, "codes")) == codes()
    for code, said in worded(language, "codes").items():
        assert [bool(one.strip()) for one in said] == [True, True], code


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_reason_of_a_print_and_a_bed_is_worded(language: str) -> None:
    known = {shape(one) for one in worded(language, "sentences")}
    known |= set(worded(language, "words"))
    assert sorted(reasons() - known) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_sentence_is_worded_that_the_server_does_not_say(language: str) -> None:
    said = {one for tree in trees().values() for one in texts(tree)}
    unsaid = [one for one in worded(language, "sentences") if shape(one) not in said]
    assert unsaid == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_sentence_invents_no_parameter(language: str) -> None:
    for english, ours in worded(language, "sentences").items():
        assert ours.strip(), english
        assert set(PARAMETER.findall(ours)) <= set(PARAMETER.findall(english)), english
