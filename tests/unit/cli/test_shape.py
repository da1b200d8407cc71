"""Every command answers as JSON where asked, and says what it is for."""

from __future__ import annotations

import inspect
from collections import defaultdict
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer

import buildplate.cli
from buildplate.cli.on_demand import MODULES, Commands, commands_of

MODULES_WITH_COMMANDS = sorted(set(MODULES.values()))
WITHOUT_JSON = {"serve"}


@pytest.fixture(name="app")
def _app() -> typer.Typer:
    app = typer.Typer()
    for module in MODULES_WITH_COMMANDS:
        import_module(f"buildplate.cli.{module}").add_to(app)
    return app


def commands(group: typer.Typer) -> Iterator[tuple[str, Callable[..., Any]]]:
    for command in group.registered_commands:
        assert command.callback is not None
        yield command.name or command.callback.__name__, command.callback
    for below in group.registered_groups:
        assert below.typer_instance is not None
        for name, callback in commands(below.typer_instance):
            yield f"{below.name} {name}", callback


def test_every_command_answers_as_json_where_asked(app: typer.Typer) -> None:
    found = dict(commands(app))
    assert len(found) > 40
    silent = {
        name for name, call in found.items() if "json" not in inspect.signature(call).parameters
    }
    assert silent == WITHOUT_JSON


def test_every_command_says_what_it_is_for(app: typer.Typer) -> None:
    assert [name for name, call in commands(app) if not inspect.getdoc(call)] == []


def test_every_command_that_a_module_adds_is_found_by_its_name() -> None:
    named = defaultdict(set)
    for name, module in MODULES.items():
        named[module].add(name)
    assert {module: set(commands_of(module)) for module in MODULES_WITH_COMMANDS} == named


def test_every_module_that_adds_commands_is_asked_for_them() -> None:
    folder = Path(buildplate.cli.__file__).parent
    adding = {
        file.stem
        for file in folder.glob("*.py")
        if "\ndef add_to(" in file.read_text(encoding="utf-8")
    }
    assert adding == set(MODULES_WITH_COMMANDS)


def test_a_command_that_is_not_there_is_none() -> None:
    found = Commands()
    assert found.get("sevre") is None
    assert "sevre" not in found
